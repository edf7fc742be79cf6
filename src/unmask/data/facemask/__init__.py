"""Drawing a surgical face mask on a clean aligned face, in MaskedFace-Net's manner."""

from __future__ import annotations

from unmask.data.facemask.cloth import COLOURS
from unmask.data.facemask.draw import DrawnMask, draw_mask
from unmask.data.facemask.shape import FaceShape

__all__ = ["COLOURS", "DrawnMask", "FaceShape", "draw_mask"]
