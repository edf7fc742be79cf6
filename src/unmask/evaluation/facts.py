"""What is known of a clean picture's face, kept from one program to the next where the user names a folder for it.

Finding the face and embedding it takes a third of the time of measuring a picture, and comes out the same for every
run over the same data. An embedding tells a person from all others, so none is left on a disk unasked.
"""

from __future__ import annotations

import hashlib
import logging
import os
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import final

import numpy as np
from torch import Tensor

from unmask.files import atomic_path, stamp
from unmask.images import to_uint8
from unmask.weights.cache import user_file
from unmask.weights.registry import find

log = logging.getLogger(__name__)

VERSION = 1
"""To be raised whenever anything comes out differently for the same picture."""
NETWORKS = ("scrfd", "arcface", "sface", "landmarks106")


@final
class Facts:
    """Arrays by name, of one picture. What is not known is computed when it is asked for; `keep` brings it to disk."""

    def __init__(self, path: Path | None) -> None:
        """`path`: where they are kept; None: nowhere."""
        self._path = path
        self._known = {} if path is None else _read(path)
        self._added = False

    @classmethod
    def of(cls, picture: Tensor) -> Facts:
        """Those of a picture (3,H,W) in [-1,1], by its 8-bit levels and the networks in use; kept in `folder`."""
        place = folder()
        if place is None:
            return cls(None)
        levels = to_uint8(picture)
        digest = hashlib.sha256(repr((recipe(), levels.shape)).encode() + levels.tobytes()).hexdigest()
        return cls(place / digest[:2] / f"{digest[2:32]}.npz")

    def get(self, name: str, compute: Callable[[], np.ndarray]) -> np.ndarray:
        """The array `name`, to the bit what `compute` says or once said."""
        if name not in self._known:
            self._known[name] = compute()
            self._added = True
        return self._known[name]

    def keep(self) -> None:
        """Write down what is new, atomically; that there is no room for it is no reason to stop."""
        if self._path is None or not self._added:
            return
        try:
            with atomic_path(self._path) as temporary, temporary.open("wb") as file:
                np.savez(file, **self._known)  # type: ignore[arg-type]
        except OSError as error:
            log.debug("%s cannot be written (%s).", self._path, error)
        self._added = False


def folder() -> Path | None:
    """Where all facts are kept: ``$UNMASK_FACES``; None: nowhere."""
    chosen = os.environ.get("UNMASK_FACES")
    return Path(chosen).expanduser() if chosen else None


@cache
def recipe() -> tuple[object, ...]:
    """What the facts of one picture depend on: this file's version, the networks, and the programs that run them."""
    import cv2
    import onnxruntime

    artifacts = [find(name) for name in NETWORKS]
    networks = [stamp(user_file(artifact)) or artifact.digest for artifact in artifacts]
    return (VERSION, *networks, onnxruntime.__version__, cv2.__version__)


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        log.debug("%s is damaged (%s).", path, error)
        return {}
