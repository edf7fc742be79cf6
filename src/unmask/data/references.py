"""Other photographs of the people to unmask (`data.references`): found by id, read, and brought into FFHQ's frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import final

import numpy as np
import torch
from torch import Tensor

from unmask.alignment import Portrait, crop, place_person
from unmask.config import DataConfig
from unmask.data.scan import PICTURE_SUFFIXES, masked_id, walk
from unmask.errors import UnmaskError
from unmask.faces import Failure
from unmask.files import stamp
from unmask.images import from_uint8, load_levels, load_with_notes

LAYOUTS = "It should hold a folder ID/ of pictures or one picture ID.jpg for each id, or be one picture."
KEPT = 100_000
"""Photographs whose faces' places are remembered by a process."""


@dataclass(frozen=True)
class Known:
    """What there is of one person.

    Attributes:
        pictures: (R,3,H,W) in [-1,1], FFHQ-aligned.
        names: their files' names, R of them.
        notes: what the user should know of how they were read, as sentences.
    """

    pictures: Tensor
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @staticmethod
    def together(parts: Sequence[Known], resolution: int) -> Known:
        """All that there is of one person, whose pictures have `resolution` pixels a side."""
        return Known(
            torch.cat([torch.empty(0, 3, resolution, resolution), *(one.pictures for one in parts)]),
            tuple(name for one in parts for name in one.names),
            tuple(note for one in parts for note in one.notes),
        )


@final
@dataclass(frozen=True)
class References:
    """Files of other photographs.

    Attributes:
        given: what the user named.
        files: id -> its photographs, ascending.
        everybody: photographs that belong to every id.
        aligned: they are in FFHQ's frame already.
    """

    given: Path
    files: Mapping[str, tuple[Path, ...]]
    everybody: tuple[Path, ...] = ()
    aligned: bool = False

    def of(self, id: str, resolution: int) -> Known:
        """The photographs of the person in the picture `id`, decoded; there may be none.

        Raises:
            UnmaskError: one of them cannot be read or shows no face, or two people; names it.
        """
        read = [load_reference(path, resolution, aligned=self.aligned) for path in self.files.get(id, self.everybody)]
        return Known.together(read, resolution)

    def missing(self, ids: Sequence[str]) -> tuple[str, ...]:
        """What to tell the user of `ids` that have no photograph: a sentence or none."""
        without = [] if self.everybody else [id for id in ids if id not in self.files]
        if not without:
            return ()
        return (
            f"data.references={self.given}: nothing of {len(without)} of {len(ids)} ids, the first {without[0]}; "
            "these are unmasked as without.",
        )


def find_references(data: DataConfig, ids: Sequence[str]) -> References:
    """The photographs that `data.references` names, for the pictures `ids`.

    Raises:
        UnmaskError: there is no such file or folder, it has another layout, or nothing for any of the ids.
    """
    assert data.references is not None
    given = Path(data.references).expanduser()
    if given.is_file():
        found = References(given, {}, (given,), data.references_aligned)
        found.of("", data.resolution)  # a picture of nobody is told before any work
        return found
    if not given.is_dir():
        raise UnmaskError(f"data.references={given}: no such file or folder. {LAYOUTS}")
    unreadable: list[Failure] = []
    wanted, files, pictures = set(ids), dict[str, list[Path]](), 0
    for path in walk(given, unreadable):
        if path.suffix.lower() in PICTURE_SUFFIXES:
            pictures += 1
            place = path.relative_to(given)
            id = place.parts[0] if len(place.parts) > 1 and place.parts[0] in wanted else masked_id(path.stem)
            if id in wanted:
                files.setdefault(id, []).append(path)
    if unreadable:
        raise UnmaskError(f"data.references: {unreadable[0].reason}")
    if not files:
        raise UnmaskError(
            f"data.references={given}: nothing for any of the {len(ids)} ids, of which the first is "
            f"{min(ids, default='none')}, among {pictures} pictures. {LAYOUTS}"
        )
    return References(given, {id: tuple(paths) for id, paths in files.items()}, (), data.references_aligned)


def load_reference(path: Path, resolution: int, *, aligned: bool = False) -> Known:
    """The face of one photograph in its frame.

    Raises:
        UnmaskError: the file is missing, damaged or no picture, or there is no face in it, or two about as large; names
            it.
    """
    if aligned:
        picture, notes = load_with_notes(path, resolution)
        return Known(picture[None], (path.name,), notes)
    photo, notes = load_levels(path)
    return _framed(photo, _portrait(path, stamp(path)), path.name, resolution, notes)


def reference_in(photo: np.ndarray, name: str, resolution: int) -> Known:
    """The same of a photograph (H,W,3) uint8 RGB that is called `name` in what is told of it."""
    try:
        portrait = place_person(photo)
    except UnmaskError as error:
        raise UnmaskError(f"{name}: cannot be a reference: {error}.") from error
    return _framed(photo, portrait, name, resolution, ())


def _framed(photo: np.ndarray, portrait: Portrait, name: str, resolution: int, notes: tuple[str, ...]) -> Known:
    if portrait.others:
        notes += (f"The reference {name} shows {portrait.others + 1} faces, and the largest was taken.",)
    return Known(from_uint8(crop(photo, portrait.placement.quad, resolution))[None], (name,), notes)


@lru_cache(maxsize=KEPT)
def _portrait(path: Path, state: tuple[str, int, int] | None) -> Portrait:
    """Where the face is; `state` tells the file from a later one at its place."""
    photo, _ = load_levels(path)
    try:
        return place_person(photo)
    except UnmaskError as error:
        hint = "" if min(photo.shape[:2]) < 48 else " If it is aligned already, set data.references_aligned=true."
        raise UnmaskError(f"{path}: cannot be a reference: {error}.{hint}") from error
