"""Can a given map be a face mask on an aligned face?

The 120 face masks of MaskedFace-Net's pictures cover 10 to 20 % of an FFHQ picture, all of them the mouth and none an
eye; those drawn on the sample's people 11 to 20 %.
"""

from __future__ import annotations

import numpy as np

EYES = ((0.375, 0.475), (0.625, 0.475))
MOUTH = (0.5, 0.72)
"""Where alignment puts them (Karras et al. 2019), as shares of the picture's side: x, y."""
SHARES = (0.05, 0.35)
"""Least and most share of the picture that a face mask is believed to cover."""
INVERTED_BORDER = 0.75
"""Share of the border above which, with half of the picture, what is marked is what a face mask leaves visible."""


def is_inverted(occlusion: np.ndarray) -> bool:
    """Whether a map (H,W) bool surely marks what is visible: most of the border and of the picture, not the mouth."""
    border = np.concatenate([occlusion[0], occlusion[-1], occlusion[1:-1, 0], occlusion[1:-1, -1]])
    most = border.mean() > INVERTED_BORDER and occlusion.mean() > 0.5
    return bool(most and not _at(occlusion, MOUTH))


def doubt_about_map(occlusion: np.ndarray) -> str | None:
    """Why a map (H,W) bool may be wrong, as a sentence for the user; None where nothing speaks against it."""
    share = float(occlusion.mean())
    least, most = SHARES
    if share < least or share > most:
        return f"The map covers {share:.0%} of the picture; a face mask on an aligned face covers 10 to 20 %."
    if any(_at(occlusion, eye) for eye in EYES):
        return "The map covers an eye."
    if not _at(occlusion, MOUTH):
        return "The map leaves the mouth visible."
    return None


def _at(occlusion: np.ndarray, point: tuple[float, float]) -> bool:
    height, width = occlusion.shape
    return bool(occlusion[int(point[1] * height), int(point[0] * width)])
