"""What the mouth of a face does, from its landmarks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

EYES_106 = ((35, 39), (89, 93))
"""Indices of the two corners of the eye at the picture's left, and of the other eye."""
MOUTH_CORNERS_106 = (52, 61)
"""Indices of the corner of the mouth at the picture's left, and of the other corner."""
INNER_LIPS_106 = (62, 60)
"""Indices of the middles of the upper lip's lower edge and of the lower lip's upper edge, which touch in a closed
mouth."""


@dataclass(frozen=True)
class Mouth:
    """A mouth in units of the face's inter-ocular distance, the one between the centres of the eyes.

    A centre of an eye is halfway between its corners, so it does not move with the gaze; "down" is at right angles to
    the line through both centres. Thus nothing changes when the picture is scaled, shifted or turned.

    Attributes:
        opening: how far the lower lip's inner edge is below the upper lip's, in their middles. About 0 in a closed
            mouth, where noise also makes it negative; 0.2 where teeth show; 0.6 with the jaw dropped.
        width: distance between the corners.
        smile: how far the point halfway between the inner edges is below the point halfway between the corners:
            positive where the corners are drawn up, negative where they hang.
    """

    opening: float
    width: float
    smile: float


def mouth_of(points: np.ndarray) -> Mouth:
    """The mouth of (106,2) landmarks x,y, in any unit, as `unmask.faceanalysis.landmarks106` gives them."""
    assert points.shape == (106, 2), f"expected 106 points, got {points.shape}"
    places = points.astype(np.float64)
    left_eye, right_eye = (places[list(corners)].mean(0) for corners in EYES_106)
    upper, lower = places[list(INNER_LIPS_106)]
    left, right = places[list(MOUTH_CORNERS_106)]
    across = right_eye - left_eye
    squared = float(across @ across)
    assert squared > 0, "both eyes in one place"
    down = np.array([-across[1], across[0]]) / squared  # divides by the unit as well
    return Mouth(
        opening=float((lower - upper) @ down),
        width=float(np.linalg.norm(right - left) / np.sqrt(squared)),
        smile=float((upper + lower - left - right) @ down / 2),
    )
