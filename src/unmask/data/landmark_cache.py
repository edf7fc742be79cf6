"""Landmarks of a folder's pictures, kept from one start to the next."""

from __future__ import annotations

import hashlib
import logging
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unmask.files import atomic_path
from unmask.weights import cache_dir

log = logging.getLogger(__name__)

VERSION = 1
"""To be raised whenever landmarks come out differently for the same picture."""


@dataclass(frozen=True)
class FileState:
    """What tells a picture from a later one of the same name.

    Attributes:
        name: its path below the folder.
        size: in bytes.
        mtime_ns: when it was last written, in nanoseconds.
    """

    name: str
    size: int
    mtime_ns: int

    @staticmethod
    def of(path: Path, root: Path) -> FileState:
        """That of a picture below `root`.

        Raises:
            OSError: there is no such file any more.
        """
        state = path.stat()
        return FileState(path.relative_to(root).as_posix(), state.st_size, state.st_mtime_ns)


Known = dict[FileState, "np.ndarray | None"]
"""The (106,2) float32 points of each picture, or None where no face was found."""


def cache_file(root: Path) -> Path:
    """Where the landmarks of the pictures below `root` are kept."""
    digest = hashlib.sha256(str(root.resolve()).encode()).hexdigest()
    return cache_dir() / "landmarks" / f"{digest[:16]}.npz"


def read_cache(path: Path) -> Known:
    """What is known; nothing if the file is missing, of another version or damaged."""
    if not path.is_file():
        return {}
    try:
        with np.load(path, allow_pickle=False) as file:
            if int(file["version"]) != VERSION:
                return {}
            names, states, points = file["names"], file["states"], file["points"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        log.warning("%s is damaged (%s); finding the landmarks again.", path, error)
        return {}
    return {
        FileState(str(name), int(size), int(mtime_ns)): None if np.isnan(one).any() else one
        for name, (size, mtime_ns), one in zip(names, states, points, strict=True)
    }


def write_cache(path: Path, known: Mapping[FileState, np.ndarray | None]) -> None:
    """Keep what is known, atomically; of two states of one file the later in `known` is kept."""
    latest = {state.name: (state, points) for state, points in known.items()}
    nowhere = np.full((106, 2), np.nan, np.float32)
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            version=VERSION,
            names=np.array(list(latest), dtype=np.str_),
            states=np.array([(state.size, state.mtime_ns) for state, _ in latest.values()], np.int64).reshape(-1, 2),
            points=np.array([nowhere if found is None else found for _, found in latest.values()], np.float32),
        )
