"""Which faces of a photo can be unmasked at all."""

from __future__ import annotations

import numpy as np

from unmask.alignment.quad import Quad
from unmask.faceanalysis import Detection

LEAST_BOX = 40.0
"""Least height of the detector's box, in pixels; that of a face of 48, some of it covered, is a little less."""
LEAST_INSIDE = 0.75
"""Least share of the detector's box within the photo."""
LEAST_EYES = 0.2
"""Least distance between the eyes, in widths of the box: a head in profile has less."""


def unsuitable(face: Detection, quad: Quad, height: int, width: int) -> str | None:
    """Why a face of a photo of height x width pixels is left alone, as a sentence; None where it can be unmasked."""
    box = face.box.astype(float)
    sides = box[2:] - box[:2]
    if sides[1] < LEAST_BOX:
        return f"It is too small: {sides[1]:.0f} pixels high, and {LEAST_BOX:.0f} are needed."
    seen = np.minimum(box[2:], [width, height]) - np.maximum(box[:2], 0)
    inside = float(np.prod(np.maximum(seen, 0)) / np.prod(sides))
    if inside < LEAST_INSIDE:
        return f"It is cut by the photo's border: {inside:.0%} of it is in the photo."
    eyes = face.points[1] - face.points[0]
    apart = float(eyes @ quad.half / np.linalg.norm(quad.half)) / max(float(sides[0]), 1.0)
    if apart < LEAST_EYES:
        return "It is turned too far to the side."
    return None
