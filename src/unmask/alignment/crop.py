"""The square of a photo as a picture of any size."""

from __future__ import annotations

import math

import numpy as np

from unmask.alignment.quad import Quad

MOST_SIDE = 8192
"""Of the intermediate picture; finer photos are sampled a little less densely."""


def crop(photo: np.ndarray, quad: Quad, size: int) -> np.ndarray:
    """The square as (size,size[,C]), resampled with an area filter; beyond the photo its border is mirrored.

    Args:
        photo: (H,W) or (H,W,C) uint8 or float32.
    """
    import cv2

    finer = max(1, min(math.ceil(quad.side / size), MOST_SIDE // size))
    matrix = quad.to_photo(size * finer)
    flags = cv2.INTER_CUBIC if quad.side < size * finer else cv2.INTER_LINEAR
    part, matrix = _near(photo, matrix, size * finer)
    side = (size * finer, size * finer)
    flags |= cv2.WARP_INVERSE_MAP
    picture = cv2.warpAffine(part, matrix, side, flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    return picture if finer == 1 else np.asarray(cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA))


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
