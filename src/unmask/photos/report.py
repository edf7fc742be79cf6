"""report.json: what became of each photo, and what is done already."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unmask.alignment import Quad
from unmask.alignment.quad import transform
from unmask.errors import UnmaskError
from unmask.files import stamp, write_json
from unmask.photos.results import FaceResult, UnmaskedPhoto

NAME = "report.json"
VERSION = 1
GUESS = "The generated parts are guesses, not what these people look like; mark the pictures as generated."


@dataclass(frozen=True)
class PhotoEntry:
    """What became of one photo.

    Attributes:
        file: as it was named.
        stamp: path, time of the last change in ns and bytes of the file, by which a changed one is done again.
        results: the pictures that were written, below the output folder, an answer each; () where nothing was changed.
        size: width and height of the upright photo; None where it could not be read.
        faces: see `face_entry`.
        warnings: sentences about the whole photo.
        seconds: reading and writing included.
        error: why it could not be done, as a sentence; None where it could.
    """

    file: str
    stamp: tuple[str, int, int] | None
    results: tuple[str, ...] = ()
    size: tuple[int, int] | None = None
    faces: tuple[dict[str, Any], ...] = ()
    warnings: tuple[str, ...] = ()
    seconds: float | None = None
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "stamp": self.stamp,
            "results": self.results,
            "size": self.size,
            "faces": self.faces,
            "warnings": self.warnings,
            "seconds": self.seconds,
            "error": self.error,
        }

    @staticmethod
    def from_json(entry: dict[str, Any]) -> PhotoEntry:
        known = entry["stamp"]
        size = entry["size"]
        return PhotoEntry(
            entry["file"],
            None if known is None else (known[0], known[1], known[2]),
            tuple(entry["results"]),
            None if size is None else (size[0], size[1]),
            tuple(entry["faces"]),
            tuple(entry["warnings"]),
            entry["seconds"],
            entry["error"],
        )


def photo_entry(file: Path, results: tuple[str, ...], made: UnmaskedPhoto, seconds: float) -> PhotoEntry:
    """The entry of a photo that was done."""
    return PhotoEntry(
        str(file),
        stamp(file),
        results,
        made.image.size,
        tuple(face_entry(face) for face in made.faces),
        made.warnings,
        round(seconds, 3),
    )


def face_entry(face: FaceResult) -> dict[str, Any]:
    """Box, quad, occlusion, warnings and seconds of one face; lengths in pixels of the upright photo.

    The occlusion is told as its share of the frame and as polygons; both are null for a face that was left alone.
    """
    found = face.found
    share, outlines = None, None
    if face.occlusion is not None:
        share = round(float(face.occlusion.mean()), 4)
        outlines = _outlines(face.occlusion, Quad.of_corners(found.quad))
    return {
        "index": found.index,
        "box": [round(edge, 1) for edge in found.box],
        "score": round(found.score, 3),
        "quad": [[round(float(x), 2), round(float(y), 2)] for x, y in found.quad],
        "occlusion": share,
        "occlusion_outlines": outlines,
        "skipped": found.skipped,
        "warnings": list(found.warnings),
        "seconds": round(face.seconds, 3),
    }


def _outlines(occlusion: np.ndarray, quad: Quad) -> list[list[list[float]]]:
    """The borders of a map (S,S) bool of the frame, as polygons in pixels of the photo."""
    import cv2

    found, _ = cv2.findContours(occlusion.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    matrix = quad.to_photo(len(occlusion))
    outlines = []
    for one in found:
        points = transform(cv2.approxPolyDP(one, 1.0, closed=True)[:, 0].astype(np.float64), matrix)
        outlines.append([[round(float(x), 1), round(float(y), 1)] for x, y in points])
    return outlines


class Report:
    """The report of an output folder, written after every photo."""

    def __init__(self, out: Path, settings: dict[str, Any]) -> None:
        """Goes on with the report that is there.

        Args:
            settings: everything that influences the results.
        Raises:
            UnmaskError: the folder holds results of other settings, or its report is damaged.
        """
        self._path = out / NAME
        self._settings = settings
        self._entries: dict[str, PhotoEntry] = {}
        if self._path.is_file():
            try:
                earlier = json.loads(self._path.read_text(encoding="utf-8"))
                theirs = earlier["settings"]
                entries = [PhotoEntry.from_json(one) for one in earlier["photos"]]
            except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
                raise UnmaskError(f"{self._path}: is damaged ({error}). Remove it, or choose another --out.") from error
            if theirs != settings:
                differing = sorted(key for key in {*theirs, *settings} if theirs.get(key) != settings.get(key))
                raise UnmaskError(
                    f"{out} holds results with other settings ({', '.join(differing)}). "
                    "Choose another --out, or remove that folder."
                )
            self._entries = {entry.file: entry for entry in entries}

    @property
    def entries(self) -> tuple[PhotoEntry, ...]:
        return tuple(self._entries.values())

    def is_done(self, file: Path) -> bool:
        """Whether this very file was done, and its results are there."""
        entry = self._entries.get(str(file))
        if entry is None or entry.error is not None or entry.stamp != stamp(file):
            return False
        return all((self._path.parent / result).is_file() for result in entry.results)

    def add(self, entry: PhotoEntry) -> None:
        self._entries[entry.file] = entry
        photos = [one.to_json() for one in self._entries.values()]
        write_json(self._path, {"version": VERSION, "note": GUESS, "settings": self._settings, "photos": photos})
