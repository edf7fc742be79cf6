"""Random crops and mirroring: the one augmentation of training, applied alike to all pictures of a pair."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from unmask.config import TrainingConfig
from unmask.errors import UnmaskError
from unmask.faces import Faces
from unmask.images import resize

JITTER = 286 / 256
"""How much larger than the crop pictures are made first (Isola et al. 2017, section 6.2)."""


@dataclass(frozen=True)
class Placement:
    """One draw: which part of the picture is seen, and whether mirrored.

    Attributes:
        resize: height and width the picture is brought to, in pixels.
        crop: height and width of the part, in pixels.
        top, left: where the part begins, in pixels of the resized picture.
        mirrored: left and right are exchanged.
    """

    resize: int
    crop: int
    top: int
    left: int
    mirrored: bool


@dataclass(frozen=True)
class Augmentation:
    """What placements are drawn from; fields as of `TrainingConfig`, both sizes in pixels."""

    resize: int
    crop: int
    flip: bool

    def __post_init__(self) -> None:
        if self.crop < 16:
            raise UnmaskError(f"training.crop={self.crop} pixels is too small; use 128 or 256, or null.")
        if self.resize < self.crop:
            raise UnmaskError(
                f"training.resize={self.resize} is smaller than the crops of {self.crop} pixels "
                "(training.crop, else data.resolution); raise it, or leave it null."
            )

    @staticmethod
    def of(config: TrainingConfig, resolution: int) -> Augmentation:
        """That of the settings; `resolution` is ``data.resolution``.

        Raises:
            UnmaskError: the sizes make no sense.
        """
        crop = resolution if config.crop is None else config.crop
        return Augmentation(round(JITTER * crop) if config.resize is None else config.resize, crop, config.flip)

    def draw(self, generator: np.random.Generator) -> Placement:
        """Every position is as likely as another; with `flip` half of the draws are mirrored."""
        top, left = generator.integers(0, self.resize - self.crop, size=2, endpoint=True)
        mirrored = self.flip and bool(generator.random() < 0.5)
        return Placement(self.resize, self.crop, int(top), int(left), mirrored)


def place(images: Tensor, placement: Placement) -> Tensor:
    """(B,C,H,W) in [-1,1] -> (B,C,crop,crop) in [-1,1]."""
    return _cut(resize(images, placement.resize).clamp(-1, 1), placement)  # bicubic overshoots


def place_map(region: Tensor, placement: Placement) -> Tensor:
    """(B,1,H,W) of 0 and 1 -> (B,1,crop,crop) of 0 and 1: a pixel belongs to the region if half of it does."""
    if region.shape[-2:] != (placement.resize, placement.resize):
        size = (placement.resize, placement.resize)
        shares = F.interpolate(region, size, mode="bilinear", antialias=True, align_corners=False)
        region = (shares >= 0.5).to(region.dtype)
    return _cut(region, placement)


def place_faces(faces: Faces, placement: Placement) -> Faces:
    """All pictures and maps of `faces`, alike."""
    return replace(
        faces,
        masked=place(faces.masked, placement),
        occlusion=place_map(faces.occlusion, placement),
        hole=place_map(faces.hole, placement),
        clean=None if faces.clean is None else place(faces.clean, placement),
        grown=None if faces.grown is None else place_map(faces.grown, placement),
    )


def _cut(images: Tensor, placement: Placement) -> Tensor:
    rows = slice(placement.top, placement.top + placement.crop)
    columns = slice(placement.left, placement.left + placement.crop)
    part = images[..., rows, columns]
    return part.flip(-1) if placement.mirrored else part.contiguous()
