"""A run's results, pasted back into the photos that its pictures were cut from (`data.align`)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from unmask.alignment import Quad, paste, render_for
from unmask.config import JoinConfig
from unmask.data import PairedDataset
from unmask.faces import Faces, Reconstruction
from unmask.photos.photo import read, save

FOLDER = "photos"


def paste_back(dataset: PairedDataset, occlusion: JoinConfig, run_dir: Path) -> Callable[[Faces, Reconstruction], None]:
    """A function that is given each finished picture, a batch of one, and writes photos/ID.png below `run_dir`.

    Pixels outside what was filled are the file's own to the bit; EXIF, colour profile and orientation are kept.
    """
    files = {pair.id: pair.masked for pair in dataset.pairs}

    def write(faces: Faces, made: Reconstruction) -> None:
        assert faces.corners is not None, "the dataset aligns its pictures"
        (id,) = faces.ids
        photo = read(files[id])
        quad = Quad.of_corners(faces.corners[0].numpy())
        raw = made.raw[0]
        full = None if made.full is None else made.full[0]
        pixels, filled = photo.pixels.copy(), np.zeros(photo.pixels.shape[:2], bool)
        pasted = paste(photo.pixels, quad, render_for(quad, raw, full), faces.filled[0], occlusion)
        pasted.onto(pixels)
        pasted.mark(filled)
        save(photo, pixels, filled, run_dir / FOLDER / f"{id}.png")

    return write
