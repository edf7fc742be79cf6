"""Pictures in a folder, by id.

FFHQ (Karras et al. 2019) names its pictures ``NNNNN.png`` in folders of a thousand; MaskedFace-Net (Cabani et
al. 2020) names them ``NNNNN_Mask.jpg`` where the mask is worn correctly (CMFD) and
``NNNNN_Mask_Mouth_Chin.jpg``, ``NNNNN_Mask_Nose_Mouth.jpg``, ``NNNNN_Mask_Chin.jpg`` where it is not (IMFD).
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from unmask.decoding import PICTURE_SUFFIXES
from unmask.faces import Failure

_MASKED_STEM = re.compile(r"(?P<id>.+?)_mask(?:_(?:nose|mouth|chin))*", re.IGNORECASE)
KINDS_NAMED = 8
"""How many suffixes a sentence about a folder's other files names."""


@dataclass(frozen=True)
class Scan:
    """What lies below a folder.

    Attributes:
        files: id -> picture; the first by path, ascending, where several have the id.
        duplicates: those others.
        misnamed: pictures whose name gives no id.
        others: suffix -> how many files that are no pictures.
        unreadable: folders that could not be looked into, and why; their paths are the failures' ids.
    """

    files: dict[str, Path] = field(default_factory=dict)
    duplicates: tuple[Path, ...] = ()
    misnamed: tuple[Path, ...] = ()
    others: Counter[str] = field(default_factory=Counter)
    unreadable: tuple[Failure, ...] = ()

    def holds_instead(self) -> str:
        """What there is where no picture could be used, as the end of a sentence."""
        found = []
        if self.misnamed:
            found.append(f"{len(self.misnamed)} pictures of other names (first {self.misnamed[0].name})")
        if self.others:
            found.append(kinds(self.others))
        if self.unreadable:
            found.append(f"{len(self.unreadable)} folders that cannot be opened ({self.unreadable[0].id})")
        return f"It holds {', '.join(found) or 'nothing'}."


def find_files(folder: Path, id_of: Callable[[str], str | None]) -> Scan:
    """Map ids to pictures below `folder`. Names are compared in Unicode's composed form (NFC): the same name written
    by macOS and by Linux is one."""
    files: dict[str, Path] = {}
    duplicates: list[Path] = []
    misnamed: list[Path] = []
    others: Counter[str] = Counter()
    unreadable: list[Failure] = []
    for path in walk(folder, unreadable):
        suffix = path.suffix.lower()
        if suffix not in PICTURE_SUFFIXES:
            others[suffix] += 1
            continue
        id = id_of(unicodedata.normalize("NFC", path.stem))
        if id is None:
            misnamed.append(path)
        elif id in files:
            duplicates.append(path)
        else:
            files[id] = path
    return Scan(files, tuple(duplicates), tuple(misnamed), others, tuple(unreadable))


def kinds(others: Counter[str]) -> str:
    """``3 .txt, 2 .npy, 1 without a suffix``"""
    named = [
        f"{count} {suffix or 'without a suffix'}"
        for suffix, count in sorted(others.items(), key=lambda item: (-item[1], item[0]))[:KINDS_NAMED]
    ]
    return ", ".join([*named, *(["..."] if len(others) > KINDS_NAMED else [])])


def walk(folder: Path, unreadable: list[Failure]) -> Iterator[Path]:
    """Every file below `folder`, ascending, but hidden ones; links are followed, each folder is entered once."""

    def refused(error: OSError) -> None:
        unreadable.append(Failure(str(error.filename), f"{error.filename}: cannot be opened ({error.strerror})."))

    entered: set[str] = set()
    for directory, below, names in os.walk(folder, followlinks=True, onerror=refused):
        real = os.path.realpath(directory)
        if real in entered:
            below.clear()
            continue
        entered.add(real)
        below[:] = sorted(name for name in below if not name.startswith("."))
        yield from (Path(directory, name) for name in sorted(names) if not name.startswith("."))


def suffixed_id(stem: str) -> str | None:
    """The id of a file named in MaskedFace-Net's way, None for any other name."""
    match = _MASKED_STEM.fullmatch(stem)
    return match["id"] if match else None


def masked_id(stem: str) -> str:
    """The id of a file in a folder of masked pictures: without MaskedFace-Net's suffix, if it has one."""
    return suffixed_id(stem) or stem


def clean_id(stem: str) -> str | None:
    """The id of a clean file; masked pictures that lie in the same folder are none."""
    return None if suffixed_id(stem) else stem
