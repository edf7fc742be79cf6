"""Photos with the sample's synthetic people in them, whose frames and masks are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from unmask.alignment import Quad
from unmask.photos.scene import Placed, backdrop, compose, marked

SAMPLE = Path(__file__).parents[2] / "data" / "sample"


@cache
def person(index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Masked and clean (256,256,3) and the painted occlusion (256,256), uint8."""
    masked = sorted((SAMPLE / "cmfd").rglob("*.jpg"))[index]
    id = masked.stem.removesuffix("_Mask")
    files = (masked, SAMPLE / "ffhq" / "00000" / f"{id}.jpg", SAMPLE / "occlusion" / "00000" / f"{id}.png")
    return tuple(np.asarray(Image.open(file)) for file in files)  # type: ignore[return-value]


@dataclass(frozen=True)
class Scene:
    """
    Attributes:
        masked, clean: (H,W,3) uint8, the people with and without masks.
        occlusion: (H,W) bool.
    """

    masked: np.ndarray
    clean: np.ndarray
    occlusion: np.ndarray


def scene(people: Sequence[tuple[int, Quad]], height: int = 700, width: int = 1000, seed: int = 0) -> Scene:
    """People of the sample at these frames."""
    background = backdrop(height, width, seed)
    pictures = [(person(index), quad) for index, quad in people]
    masked, clean = (compose(background, [Placed(one[kind], quad) for one, quad in pictures]) for kind in (0, 1))
    return Scene(masked, clean, marked(height, width, [Placed(one[2], quad) for one, quad in pictures]))
