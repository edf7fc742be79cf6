"""Filling without learning: fast marching (Telea 2004, Journal of Graphics Tools 9(1)), by OpenCV."""

from __future__ import annotations

from typing import final

import numpy as np
import torch

from unmask.config import InpaintConfig
from unmask.errors import UnmaskError
from unmask.faces import Faces, Reconstruction, StepCallback
from unmask.images import from_uint8, to_uint8
from unmask.methods.base import Method, MethodContext


@final
class Inpaint(Method):
    """Carries the colours at the border of the hole inwards."""

    def __init__(self, radius: float) -> None:
        """`radius` is the neighbourhood each filled pixel looks at, in pixels at 256."""
        super().__init__()
        if not radius > 0:
            raise UnmaskError(f"method.radius={radius}: the inpainting radius must be positive.")
        self.radius = radius

    @classmethod
    def build(cls, config: InpaintConfig, context: MethodContext) -> Inpaint:
        return cls(config.radius)

    def unmask(self, faces: Faces, *, on_step: StepCallback | None = None) -> Reconstruction:
        import cv2

        radius = self.radius * faces.masked.shape[-1] / 256.0
        filled = []
        for picture, hole in zip(faces.masked, faces.hole, strict=True):
            where = (hole[0].cpu().numpy() > 0.5).astype(np.uint8)
            filled.append(from_uint8(cv2.inpaint(to_uint8(picture), where, radius, cv2.INPAINT_TELEA)))
        return Reconstruction(faces.ids, torch.stack(filled).to(faces.masked.device))
