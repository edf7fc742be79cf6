"""Whether landmarks are those of a face a mask can be drawn on."""

from __future__ import annotations

import numpy as np

from unmask.data.facemask.shape import FaceShape

FRONTAL = 0.3
"""Cheeks at least this alike in width: heads turned so far at most that either eye has its whole cheek below."""
NOT_IN_PROFILE = 0.1
"""Heads on which a face mask can be drawn at all: both ends of it are seen."""


def implausible(points: np.ndarray, size: float, *, symmetry: float = FRONTAL) -> str | None:
    """Why the (106,2) landmarks are not those of an FFHQ-aligned face of `size` pixels; None if they are.

    FFHQ's alignment puts the eyes and the mouth at about fixed places, whoever is shown. `symmetry` is the least ratio
    of the farther cheek's width to the nearer one's.
    """
    shape = FaceShape.from_106(points)
    if points.min() < 0 or points.max() >= size:
        return "face cut by the border"
    for what, indices, place in (
        ("eyes", (*range(33, 43), *range(87, 97)), (0.5, 0.47)),
        ("mouth", tuple(range(52, 72)), (0.5, 0.70)),
    ):
        if np.abs(points[list(indices)].mean(0) / size - place).max() > 0.1:
            return f"{what} out of place"
    sides = [float(np.linalg.norm(shape.bridge[2] - end)) for end in (shape.contour[3], shape.contour[29])]
    if min(sides) < symmetry * max(sides):
        return "head turned too far"
    return None
