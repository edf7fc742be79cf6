"""Where the faces of a folder are: found once, then remembered."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock
from torch import Tensor

from unmask.data.facemask import NOT_IN_PROFILE, implausible
from unmask.data.landmark_cache import FileState, Known, cache_file, read_cache, write_cache
from unmask.errors import UnmaskError
from unmask.faceanalysis import landmarks106, main_face
from unmask.faces import Failure
from unmask.images import load_image
from unmask.terminal import counting_bar

SEARCH_SIZE = 256
"""Pictures are brought to this many pixels first: an aligned face then is as large as the network's own crop."""
SAVE_EVERY = 5.0
"""Seconds of work that an interruption may cost."""


@dataclass(frozen=True)
class LocatedFace:
    """A clean picture and where its face is.

    Attributes:
        points: (106,2) float32 x,y as shares of the picture's side, 0 at its left and upper border, 1 at the others;
            in the order of `unmask.faceanalysis.Landmarks`.
    """

    id: str
    path: Path
    points: np.ndarray

    def points_at(self, size: int) -> np.ndarray:
        """(106,2) x,y in pixels of the picture at `size`, where 0 is the centre of the first pixel."""
        return self.points * size - 0.5


@dataclass(frozen=True)
class Search:
    """What became of the pictures, each in the order they were given.

    Attributes:
        faces: those with the landmarks of an aligned face.
        implausible: those without, and why.
        undecodable: those that could not be read, and why.
    """

    faces: tuple[LocatedFace, ...]
    implausible: tuple[Failure, ...]
    undecodable: tuple[Failure, ...]


Find = Callable[[Tensor], "np.ndarray | None"]
"""From a (3,SEARCH_SIZE,SEARCH_SIZE) picture in [-1,1] to `LocatedFace.points`; None where there is no face."""


def find_points(picture: Tensor) -> np.ndarray | None:
    """The landmarks of the largest face.

    Raises:
        UnmaskError: the networks' weights cannot be had.
    """
    (face,) = main_face(picture[None])
    if face is None:
        return None
    return ((landmarks106(picture, face).points + 0.5) / SEARCH_SIZE).astype(np.float32)


def locate_faces(root: Path, files: Mapping[str, Path], *, progress: bool, find: Find = find_points) -> Search:
    """The landmarks of `files` (by id, all below `root`).

    What is found is kept in the cache folder of the weights, and looked for again only in pictures whose size or time
    of writing has changed. Processes that search one folder at once take turns.

    Args:
        progress: show a bar while searching.
    Raises:
        UnmaskError: the networks' weights cannot be had, or the cache cannot be written.
    """
    unreadable: dict[str, str] = {}
    states: dict[str, FileState] = {}
    for id, path in files.items():
        try:
            states[id] = FileState.of(path, root)
        except OSError as error:
            unreadable[id] = f"{path}: cannot be read ({error})."
    keep = cache_file(root)
    known = read_cache(keep)
    if any(state not in known for state in states.values()):
        try:
            keep.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(keep.with_suffix(".lock")):
                known = read_cache(keep)  # another process may have searched while this one waited
                missing = {id: state for id, state in states.items() if state not in known}
                unreadable |= _search(files, missing, known, keep, find, progress)
        except OSError as error:
            raise UnmaskError(
                f"{keep.parent}: landmarks cannot be stored there ({error}). "
                "Make room, or set UNMASK_CACHE to another folder."
            ) from error
    located = {id: known[state] for id, state in states.items() if id not in unreadable}
    return _judge(files, located, tuple(Failure(id, unreadable[id]) for id in files if id in unreadable))


def _search(
    files: Mapping[str, Path],
    missing: Mapping[str, FileState],
    known: Known,
    keep: Path,
    find: Find,
    progress: bool,
) -> dict[str, str]:
    """Look for the missing landmarks, add them to `known` and save it every now and then.

    Returns:
        The ids of pictures that could not be read, and why; nothing is remembered of them.
    """
    unreadable: dict[str, str] = {}
    saved = time.monotonic()
    try:
        with counting_bar(shown=progress) as bar:
            task = bar.add_task("finding landmarks", total=len(missing), note="")
            for id, state in bar.track(missing.items(), task_id=task):
                try:
                    picture = load_image(files[id], SEARCH_SIZE)
                except UnmaskError as error:
                    unreadable[id] = str(error)
                    continue
                known[state] = find(picture)
                if time.monotonic() - saved > SAVE_EVERY:
                    write_cache(keep, known)
                    saved = time.monotonic()
    finally:
        write_cache(keep, known)
    return unreadable


def _judge(
    files: Mapping[str, Path], located: Mapping[str, np.ndarray | None], undecodable: tuple[Failure, ...]
) -> Search:
    """Sort the pictures that could be read by whether a face mask can be drawn on them."""
    faces: list[LocatedFace] = []
    odd: list[Failure] = []
    for id, points in located.items():
        if points is None:
            odd.append(Failure(id, "no face found"))
            continue
        face = LocatedFace(id, files[id], points)
        reason = implausible(face.points_at(SEARCH_SIZE), SEARCH_SIZE, symmetry=NOT_IN_PROFILE)
        if reason is None:
            faces.append(face)
        else:
            odd.append(Failure(id, reason))
    return Search(tuple(faces), tuple(odd), undecodable)
