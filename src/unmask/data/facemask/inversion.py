"""From where a grid lies in the picture to where the picture's pixels lie in the grid."""

from __future__ import annotations

import numpy as np

FARTHEST_STEP = 2.0
"""Cells a pixel may be moved at once; more only happens where the grid is all but folded."""
STEPS = 3


def invert_grid(grid: np.ndarray, height: int, width: int) -> np.ndarray:
    """The fractional column and row (height,width,2) of the grid at each pixel, by bilinear cells.

    Each pixel starts at the node nearest to it and takes a few Newton steps. Pixels off the grid get a place on its
    border.

    Args:
        grid: (N,N,2) x,y of the nodes in pixels; at least one of them lies in the picture.
    """
    count = len(grid)
    row, column = np.divmod(_nearest_node(grid, height, width), count)
    places = np.stack([column, row], -1).astype(np.float64)
    pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1)
    for _ in range(STEPS):
        places = np.clip(places + _newton_step(grid, places, pixels), 0, count - 1)
    return places


def _newton_step(grid: np.ndarray, places: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """What to add to `places` so that they come to lie at `pixels`, all of (height,width,2)."""
    corner = np.minimum(places.astype(int), len(grid) - 2)
    right, lower = np.moveaxis((places - corner)[..., None], -2, 0)
    flat = grid.reshape(-1, 2)
    first = corner[..., 1] * len(grid) + corner[..., 0]
    upper_left, upper_right = flat[first], flat[first + 1]
    lower_left, lower_right = flat[first + len(grid)], flat[first + len(grid) + 1]
    upper_edge, lower_edge = upper_right - upper_left, lower_right - lower_left
    left_edge = lower_left - upper_left
    along_row = upper_edge + lower * (lower_edge - upper_edge)
    along_column = left_edge + right * (lower_edge - upper_edge)
    rest = pixels - (upper_left + right * along_row + lower * left_edge)
    area = _cross(along_row, along_column)
    area = np.where(np.abs(area) < 1e-9, 1e-9, area)
    step = np.stack([_cross(rest, along_column) / area, _cross(along_row, rest) / area], -1)
    return np.clip(step, -FARTHEST_STEP, FARTHEST_STEP)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])


def _nearest_node(grid: np.ndarray, height: int, width: int) -> np.ndarray:
    """(height,width) index, into the flattened grid, of the node nearest to each pixel."""
    import cv2

    x, y = np.rint(grid.reshape(-1, 2)).astype(int).T
    (inside,) = np.nonzero((x >= 0) & (x < width) & (y >= 0) & (y < height))
    free = np.ones((height, width), np.uint8)
    free[y[inside], x[inside]] = 0
    _, labels = cv2.distanceTransformWithLabels(free, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL)
    node_of_label = np.zeros(labels.max() + 1, int)
    node_of_label[labels[y[inside], x[inside]]] = inside
    return node_of_label[labels]
