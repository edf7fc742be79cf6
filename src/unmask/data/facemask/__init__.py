"""Drawing a surgical face mask on a clean aligned face, in MaskedFace-Net's manner."""

from __future__ import annotations

from unmask.data.facemask.colours import COLOURS, colour_of
from unmask.data.facemask.draw import DrawnMask, draw_mask, lay_mask
from unmask.data.facemask.plausible import NOT_IN_PROFILE, implausible
from unmask.data.facemask.shape import FaceShape

__all__ = ["COLOURS", "NOT_IN_PROFILE", "DrawnMask", "FaceShape", "colour_of", "draw_mask", "implausible", "lay_mask"]
