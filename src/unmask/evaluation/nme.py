"""How far landmarks inside the hole are from where the clean picture has them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from unmask.faceanalysis.expression import EYES_106

OUTER_CORNERS_106 = (EYES_106[0][0], EYES_106[1][1])
"""Indices of the outer corner of the eye at the picture's left, and of that at its right."""
NO_FACE = "no face was found in the clean picture"
NOTHING_INSIDE = "no landmark of the clean picture lies inside the hole"


@dataclass(frozen=True)
class LandmarkErrors:
    """Of every picture the error (n,), NaN where there is none, and then the reason (else None)."""

    values: np.ndarray
    reasons: tuple[str | None, ...]


def hole_nme(generated: np.ndarray, clean: np.ndarray, holes: Tensor) -> LandmarkErrors:
    """Mean distance of those landmarks which the clean picture has inside the hole, in inter-ocular distances.

    The unit is the distance between the outer corners of the clean picture's eyes, as in the 300-W challenge (Sagonas
    et al. 2013), so it does not depend on what was generated. Landmarks outside the hole count nothing: there the
    composite is the input.

    Args:
        generated, clean: (n,106,2) x,y in pixels, of `unmask.faceanalysis.landmarks106` in the box of the clean
            picture's face; all NaN where there is none.
        holes: (n,1,H,W), 1 inside. A landmark is inside if its nearest pixel is.
    """
    assert generated.shape == clean.shape and clean.shape[1:] == (106, 2), f"{generated.shape}, {clean.shape}"
    assert len(clean) == len(holes), f"{len(clean)} faces and {len(holes)} holes"
    values = np.full(len(clean), np.nan)
    reasons: list[str | None] = []
    for index, (ours, theirs, hole) in enumerate(zip(generated, clean, holes, strict=True)):
        if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
            reasons.append(NO_FACE)
            continue
        inside = _inside(theirs, hole[0].cpu().numpy() > 0.5)
        if not inside.any():
            reasons.append(NOTHING_INSIDE)
            continue
        left, right = theirs[list(OUTER_CORNERS_106)].astype(np.float64)
        unit = np.linalg.norm(right - left)
        assert unit > 0, "both eyes in one place"
        distances = np.linalg.norm(ours[inside].astype(np.float64) - theirs[inside], axis=1)
        values[index] = distances.mean() / unit
        reasons.append(None)
    return LandmarkErrors(values, tuple(reasons))


def _inside(points: np.ndarray, hole: np.ndarray) -> np.ndarray:
    """Which of (P,2) points lie in a pixel of the (H,W) hole."""
    x, y = np.rint(points).astype(np.int64).T
    height, width = hole.shape
    within = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    return np.asarray(within & hole[y.clip(0, height - 1), x.clip(0, width - 1)])
