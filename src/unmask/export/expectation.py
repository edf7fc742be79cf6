"""`PictureModel.expected_w` in operators that ONNX has."""

from __future__ import annotations

from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch._higher_order_ops.while_loop import while_loop

from unmask.errors import UnmaskError
from unmask.export.resampling import Resampling
from unmask.projection.regression import PictureModel

ITERATIONS = 100
"""Of conjugate gradients. w is then as exact as float32: 4e-7 off with the shipped model, whose w go up to 1.6."""
TINY = 1e-200
"""Keeps quotients of zeros finite: where nothing is visible, or all is found."""


@final
class ExpectedW(nn.Module):
    """The w to expect from the visible pixels.

    ONNX cannot solve linear systems, so the normal equations are solved by conjugate gradients (Hestenes & Stiefel
    1952), in float64 as there, and without ever forming their matrix.
    """

    centre: Tensor
    filler: Tensor
    basis: Tensor
    w_centre: Tensor
    w_basis: Tensor

    def __init__(self, model: PictureModel, size: int, ridge: float) -> None:
        """For pictures of `size` pixels; `ridge` as for `PictureModel.expected_w`.

        Raises:
            UnmaskError: `size` is no multiple of the model's.
        """
        super().__init__()
        small = model.centre.shape[-1]
        if size % small:
            raise UnmaskError(f"data.resolution={size} must be a multiple of {small} to be exported.")
        self.cell = size // small
        self.shrink = Resampling(size, small, "bicubic", antialias=True)
        filler = F.interpolate(model.centre[None], (size, size), mode="bilinear", align_corners=False)
        self.register_buffer("filler", filler)
        self.register_buffer("centre", model.centre)
        self.register_buffer("basis", model.basis.flatten(1))
        self.register_buffer("w_centre", model.w_centre)
        self.register_buffer("w_basis", model.w_basis)
        self.damping = float(ridge * model.basis.double().square().sum(0).mean())

    def forward(self, masked: Tensor, visible: Tensor) -> Tensor:
        """masked (B,3,H,W) in [-1,1], visible (B,1,H,W) -> (B,w_dim)."""
        thumbnails = self.shrink(torch.where(visible > 0, masked, self.filler))
        keep = (1 - F.max_pool2d(1 - visible, self.cell) > 0.5).double()
        keep = keep.expand(-1, 3, -1, -1).flatten(1)
        count = keep.sum(1, keepdim=True).clamp_min(1)
        basis = self.basis.double()
        wanted = (thumbnails - self.centre).double().flatten(1) * keep

        def step(
            taken: Tensor, found: Tensor, residual: Tensor, direction: Tensor, square: Tensor
        ) -> tuple[Tensor, ...]:
            image = (direction @ basis * keep) @ basis.T / count + self.damping * direction
            length = square / ((direction * image).sum(1, keepdim=True) + TINY)
            left = residual - length * image
            after = left.square().sum(1, keepdim=True)
            return taken + 1, found + length * direction, left, left + after / (square + TINY) * direction, after

        residual = wanted @ basis.T / count
        square = residual.square().sum(1, keepdim=True)
        # a loop in the file too: unrolled, its export takes minutes
        _, found, *_ = while_loop(
            lambda taken, *_: taken < ITERATIONS,
            step,
            (torch.tensor(0), torch.zeros_like(residual), residual, residual.clone(), square),
        )
        return self.w_centre + found.float() @ self.w_basis
