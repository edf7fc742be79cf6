"""How far several answers to one picture differ, pixel by pixel."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from unmask.images import from_uint8, to_uint8

BRIGHTEST_DEVIATION = 64.0
"""Deviation shown in the brightest colour of `deviation_picture`, in 8-bit levels: lips against teeth. It is the same
for all pictures and runs, so that maps can be compared."""


def deviation(samples: Tensor) -> Tensor:
    """Standard deviation over K pictures (K,3,H,W) in [-1,1], mean of the channels, in 8-bit levels: (H,W)."""
    levels = np.stack([to_uint8(one) for one in samples]).astype(np.float64)
    return torch.from_numpy(levels.std(axis=0, ddof=1).mean(axis=-1))


def deviation_picture(levels: Tensor) -> Tensor:
    """What `deviation` returned, (H,W), as colours (3,H,W) in [-1,1].

    Magma: black where all answers agree, brighter evenly to the eye, pale yellow at `BRIGHTEST_DEVIATION` and above.
    """
    import cv2

    shares = (levels / BRIGHTEST_DEVIATION).clamp(0, 1)
    coloured = cv2.applyColorMap((shares * 255).round().to(torch.uint8).numpy(), cv2.COLORMAP_MAGMA)
    return from_uint8(np.ascontiguousarray(coloured[..., ::-1]))  # OpenCV's order is BGR
