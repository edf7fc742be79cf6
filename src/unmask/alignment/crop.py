"""The square of a photo as a picture of any size."""

from __future__ import annotations

import math

import numpy as np

from unmask.alignment.quad import Quad

FINER = 2
"""How much finer than the result a photo is sampled, before means are taken."""


def crop(photo: np.ndarray, quad: Quad, size: int) -> np.ndarray:
    """The square as (size,size[,C]), resampled with an area filter; beyond the photo its border is mirrored.

    Args:
        photo: (H,W) or (H,W,C) uint8 or float32.
    """
    import cv2

    part, matrix = _near(photo, quad.to_photo(size), size)
    part, matrix = _shrunk(part, matrix, quad.side / size)
    if quad.side <= size:
        finer, flags = 1, cv2.INTER_CUBIC if quad.side < size else cv2.INTER_LINEAR
    else:
        finer, flags = FINER, cv2.INTER_LINEAR
        # a pixel of the result holds FINER x FINER samples, evenly spread over it
        offset = np.full(2, (1 - finer) / (2 * finer))
        matrix = np.concatenate([matrix[:, :2] / finer, (matrix[:, 2] + matrix[:, :2] @ offset)[:, None]], 1)
    side = (size * finer, size * finer)
    flags |= cv2.WARP_INVERSE_MAP
    picture = cv2.warpAffine(part, matrix, side, flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    return picture if finer == 1 else np.asarray(cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA))


def _shrunk(part: np.ndarray, matrix: np.ndarray, ratio: float) -> tuple[np.ndarray, np.ndarray]:
    """A part of the photo shrunk by a whole number, so that about FINER of its pixels make one of the result's.

    Args:
        ratio: pixels of the photo per pixel of the result.
    """
    import cv2

    by = math.floor(ratio / FINER)
    size = (part.shape[1] // by, part.shape[0] // by) if by > 1 else (0, 0)
    if min(size) < 2:
        return part, matrix
    whole = part[: size[1] * by, : size[0] * by]
    moved = matrix / by
    moved[:, 2] = (matrix[:, 2] + 0.5) / by - 0.5
    return np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA)), moved


def _near(photo: np.ndarray, matrix: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """The photo's part that a square of `side` pixels looks at, and the matrix into it.

    OpenCV's warps take no picture of more than 32767 pixels a side, and large ones are slow.
    """
    ends = np.array([[0, 0], [side, 0], [0, side], [side, side]]) @ matrix[:, :2].T + matrix[:, 2]
    height, width = photo.shape[:2]
    low = np.clip(np.floor(ends.min(0)).astype(int) - 4, 0, [width - 2, height - 2])
    high = np.clip(np.ceil(ends.max(0)).astype(int) + 5, low + 2, [width, height])
    moved = matrix.copy()
    moved[:, 2] -= low
    return photo[low[1] : high[1], low[0] : high[0]], moved
