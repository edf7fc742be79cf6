"""From what is named on the command line to photos, and to the names of what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from unmask.data.scan import walk
from unmask.decoding import PICTURE_SUFFIXES
from unmask.errors import UnmaskError
from unmask.faces import Failure


@dataclass(frozen=True)
class PhotoFile:
    """A photo to do.

    Attributes:
        path: the file.
        name: of its results below the output folder, without a suffix; no other photo has the same.
    """

    path: Path
    name: str


def find_photos(named: Sequence[str], out: Path) -> tuple[PhotoFile, ...]:
    """The files that are named, and all photos in the folders that are, but those below `out`.

    Raises:
        UnmaskError: one of them is not there, a folder cannot be opened, or there is no photo at all.
    """
    found: list[tuple[Path, Path]] = []  # the file, and its place below the output folder
    for one in map(Path, named):
        if one.is_dir():
            refused: list[Failure] = []
            below = [path for path in walk(one, refused) if path.suffix.lower() in PICTURE_SUFFIXES]
            if refused:
                raise UnmaskError(refused[0].reason)
            found += [(path, path.relative_to(one)) for path in below if out.resolve() not in path.resolve().parents]
        elif one.is_file():
            found.append((one, Path(one.name)))
        else:
            raise UnmaskError(f"{one}: there is no such file or folder.")
    if not found:
        raise UnmaskError(f"{', '.join(named)}: no photos there; they are told by their suffix, such as .jpg or .png.")
    return tuple(PhotoFile(path, name) for path, name in _named(found))


def find_references(named: Path) -> tuple[Path, ...]:
    """The photos of one person: the file, or all in the folder, ascending.

    Raises:
        UnmaskError: there is no such file or folder, it cannot be opened, or there is no photo in it.
    """
    if named.is_file():
        return (named,)
    if not named.is_dir():
        raise UnmaskError(f"--references {named}: there is no such file or folder.")
    refused: list[Failure] = []
    found = tuple(path for path in walk(named, refused) if path.suffix.lower() in PICTURE_SUFFIXES)
    if refused:
        raise UnmaskError(refused[0].reason)
    if not found:
        raise UnmaskError(f"--references {named}: no photos there; they are told by their suffix, such as .jpg.")
    return found


def _named(found: list[tuple[Path, Path]]) -> list[tuple[Path, str]]:
    """Each file once, with a name of its own."""
    taken: dict[str, Path] = {}
    named = []
    for path, place in found:
        if any(path.resolve() == other.resolve() for other in taken.values()):
            continue
        plain = place.with_suffix("").as_posix()
        name, count = plain, 1
        while name.lower() in taken:  # a.jpg and a.png, or the same name in two folders
            name = f"{plain}_{path.suffix[1:].lower()}" if count == 1 else f"{plain}_{count}"
            count += 1
        taken[name.lower()] = path
        named.append((path, name))
    return named
