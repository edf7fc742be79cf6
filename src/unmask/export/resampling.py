"""Resizing as a pair of matrices: ONNX has no operator that weighs pixels as PyTorch's antialiased resizing does."""

from __future__ import annotations

from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@final
class Resampling(nn.Module):
    """Resizes square pictures between two fixed sizes as `torch.nn.functional.interpolate` does, which is linear."""

    weights: Tensor

    def __init__(self, size: int, to: int, mode: str, *, antialias: bool) -> None:
        """`size` and `to` in pixels; `mode` is bicubic or bilinear."""
        super().__init__()
        unit = torch.eye(size)[None, None]
        resized = F.interpolate(unit, (to, size), mode=mode, antialias=antialias, align_corners=False)
        self.register_buffer("weights", resized[0, 0])

    def forward(self, pictures: Tensor) -> Tensor:
        """(B,C,size,size) -> (B,C,to,to)."""
        return self.weights @ pictures @ self.weights.T
