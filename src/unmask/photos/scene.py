"""Photos made up of aligned faces, where the truth is known: for tests, measurements and the page's examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unmask.alignment import Quad

SOFT = 0.16
"""Share of a face's frame over which it fades into the background."""


@dataclass(frozen=True)
class Placed:
    """An aligned picture in a scene.

    Attributes:
        picture: (S,S,3) or (S,S) uint8.
        quad: where it lies.
    """

    picture: np.ndarray
    quad: Quad


def quad_at(x: float, y: float, side: float, turn: float = 0.0) -> Quad:
    """The square around (x,y), turned clockwise by so many degrees."""
    angle = np.deg2rad(turn)
    return Quad(np.array([x, y]), side / 2 * np.array([np.cos(angle), np.sin(angle)]))


def backdrop(height: int, width: int, seed: int) -> np.ndarray:
    """(height,width,3) uint8: soft colours, out of focus, with a little grain."""
    import cv2

    random = np.random.default_rng(seed)
    base = random.uniform(70, 170, 3)
    coarse = base + random.normal(0, 18, (5, 7, 1)) + random.normal(0, 8, (5, 7, 3))
    smooth = cv2.resize(coarse.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    # row by row, so that large scenes need little memory
    result = np.empty((height, width, 3), np.uint8)
    for row in range(height):
        result[row] = np.clip(smooth[row] + random.normal(0, 2.5, (width, 3)), 0, 255)
    return result


def compose(background: np.ndarray, faces: Sequence[Placed], *, soft: float = SOFT) -> np.ndarray:
    """The faces in front of the background (H,W,3) uint8, each fading into it at its frame's edges.

    What is within `soft` / 2 of a frame's middle half is the face's own.
    """
    import cv2

    result = background.copy()
    height, width = result.shape[:2]
    for face in faces:
        size = len(face.picture)
        along = np.minimum(np.arange(size) + 0.5, size - np.arange(size) - 0.5) / size
        fade = np.clip(along / max(soft, 1e-6), 0, 1)
        alpha = (fade[:, None] * fade[None]).astype(np.float32)
        alpha = alpha * alpha * (3 - 2 * alpha)
        low = np.clip(np.floor(face.quad.corners.min(0)).astype(int) - 1, 0, [width, height])
        high = np.clip(np.ceil(face.quad.corners.max(0)).astype(int) + 2, 0, [width, height])
        if (high - low).min() < 1:
            continue
        picture = face.picture
        if face.quad.side < size:
            small = max(1, round(face.quad.side))
            picture = cv2.resize(picture, (small, small), interpolation=cv2.INTER_AREA)
            alpha = cv2.resize(alpha, (small, small), interpolation=cv2.INTER_AREA)
        matrix = face.quad.to_photo(len(picture))
        matrix[:, 2] -= low
        there = (int(high[0] - low[0]), int(high[1] - low[1]))
        pixels = cv2.warpAffine(picture, matrix, there, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        share = cv2.warpAffine(alpha, matrix, there, flags=cv2.INTER_LINEAR)[..., None]
        part = result[low[1] : high[1], low[0] : high[0]]
        part[:] = np.rint(part + share * (pixels.astype(np.float32) - part)).astype(np.uint8)
    return result


def marked(height: int, width: int, faces: Sequence[Placed]) -> np.ndarray:
    """(height,width) bool: where maps (S,S) uint8, 255 = marked, come to lie."""
    import cv2

    result = np.zeros((height, width), bool)
    for face in faces:
        matrix = face.quad.to_photo(len(face.picture))
        result |= cv2.warpAffine(face.picture, matrix, (width, height), flags=cv2.INTER_LINEAR) > 127
    return result
