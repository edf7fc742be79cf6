"""Does a found face mask fit the face that wears it?"""

from __future__ import annotations

import numpy as np

from unmask.occlusion.landmarks import LowerFace, fill

UNSURE = 7.0
"""Widest the border may be, in pixels at 256, that is undecided, with probabilities between a fifth and four fifths."""
LEAST_AGREEMENT = 0.5
"""Least intersection over union with the region of a correctly worn mask."""
LEAST_MOUTH = 0.8
"""Least share of the lips' points that a face mask covers."""
SIZES = (0.5, 1.7)
"""Least and most size, as multiples of a correctly worn mask's."""


def doubt_about(region: np.ndarray, probability: np.ndarray, face: LowerFace | None) -> str | None:
    """Why a found face mask may be wrong, or None.

    Args:
        region: (H,W) bool, what was found; not empty.
        probability: (H,W) in [0,1], what the network said.
        face: the landmarks, None where no face was found.
    """
    width = _undecided(region, probability)
    if width > UNSURE:
        return f"The network is unsure where the face mask ends (within {width:.0f} pixels at 256)."
    if face is None:
        return "A face mask was found, but no face with landmarks to compare it with."
    expected = fill(face.outline, len(region))
    if not expected.any():
        return "A face mask was found, but the face's landmarks lie outside the picture."
    size = region.sum() / expected.sum()
    if not SIZES[0] <= size <= SIZES[1]:
        return f"The face mask that was found has {size:.0%} of the size that the face's landmarks suggest."
    covered = _covered(region, face.mouth)
    if covered < LEAST_MOUTH:
        return f"The face mask that was found covers only {covered:.0%} of the mouth: worn too low, or found in part."
    agreement = (region & expected).sum() / (region | expected).sum()
    if agreement < LEAST_AGREEMENT:
        return (
            f"The face mask that was found is not where the face's landmarks suggest "
            f"(intersection over union {agreement:.2f})."
        )
    return None


def _undecided(region: np.ndarray, probability: np.ndarray) -> float:
    """How wide the border is that the network is unsure about, on average, in pixels at 256."""
    import cv2

    inner = cv2.erode(region.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1)
    length = max(int((region & (inner == 0)).sum()), 1)
    area = ((probability > 0.2) & (probability < 0.8)).sum()
    return float(area / length) * 256 / len(region)


def _covered(region: np.ndarray, points: np.ndarray) -> float:
    """Share of `points` (N,2), x,y in pixels, that lie in the region."""
    columns, rows = np.clip(np.rint(points), 0, len(region) - 1).astype(int).T
    return float(region[rows, columns].mean())
