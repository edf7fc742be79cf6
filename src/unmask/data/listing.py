"""The pictures there are, by id and kind, before they are paired."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unmask.faces import Failure


@dataclass(frozen=True)
class Kind:
    """The pictures of one kind.

    Attributes:
        files: id -> picture.
        place: the folder or the manifest that they are known from.
        key: the option or the column that decides which they are, for messages.
    """

    files: dict[str, Path]
    place: Path
    key: str


@dataclass(frozen=True)
class Listing:
    """What a source of pictures has to offer.

    Attributes:
        masked: photos of faces that wear a face mask.
        clean: the same faces without it; None where the source knows of none at all.
        painted: painted occlusions; None where there are none at all, or none are wanted.
        duplicates: files whose id was already taken by another file.
        unreadable: folders that could not be looked into, and why.
        others: for each folder, its files that are no pictures, counted by suffix.
    """

    masked: Kind
    clean: Kind | None
    painted: Kind | None
    duplicates: tuple[Path, ...] = ()
    unreadable: tuple[Failure, ...] = ()
    others: tuple[str, ...] = ()
