"""Features of pictures for distances between sets of them: of the hole with VGG-16, of the face with ArcFace.

Pictures are first rounded to 8 bits, as they would be in their files. A row is all NaN where a picture has no features
(an empty hole, no face); `usable` says which rows of several arrays have all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from unmask import faceanalysis
from unmask.images import from_uint8, resize, to_uint8
from unmask.networks.vgg import VGG16Features

CROP_SIZE = 128
"""Pixels of a crop of the hole: about what a face mask takes of a picture of 256."""
VGG_LAYER = "relu5_3"
VGG_WIDTH = 512
ARCFACE_WIDTH = 512


@dataclass(frozen=True)
class Views:
    """What features are taken of.

    Attributes:
        pictures: (N,3,H,W) RGB in [-1,1].
        holes: (N,1,H,W), 1 inside; for a pair of sets the same ones.
        points: (N,5,2) x,y of the clean pictures' faces, as in `unmask.faceanalysis.Detection`; NaN where there is
            none.
    """

    pictures: Tensor
    holes: Tensor
    points: np.ndarray

    def __post_init__(self) -> None:
        n, _, height, width = self.pictures.shape
        assert self.holes.shape == (n, 1, height, width), f"{tuple(self.holes.shape)} holes"
        assert self.points.shape == (n, 5, 2), f"{self.points.shape} points"


def hole_crop(pictures: Tensor, holes: Tensor, size: int = CROP_SIZE) -> Tensor:
    """The square about each hole, scaled to `size`: (N,3,size,size) on the pictures' device; NaN where none is.

    The square has the longer side of the hole's bounding box and its centre, moved into the picture where it would
    stick out; where the picture is narrower than that, it is as wide as the picture.

    Args:
        pictures: (N,3,H,W) in [-1,1].
        holes: (N,1,H,W), 1 inside.
    """
    crops = pictures.new_full((len(pictures), 3, size, size), torch.nan)
    for crop, picture, hole in zip(crops, pictures, holes, strict=True):
        inside = hole[0].cpu() > 0.5
        if inside.any():
            top, left, side = _square(inside)
            crop[:] = resize(picture[None, :, top : top + side, left : left + side], size)[0]
    return crops


def vgg16_features(views: Views, *, batch: int = 8) -> np.ndarray:
    """(N,512) float32: the mean over the crop of the hole of VGG-16's last activations (ImageNet weights).

    Computed on the pictures' device.

    Raises:
        UnmaskError: the network's weights are not there and cannot be fetched.
    """
    network = _vgg(views.pictures.device)
    rows = np.full((len(views.pictures), VGG_WIDTH), np.nan, np.float32)
    for start in range(0, len(rows), batch):
        part = slice(start, start + batch)
        crops = hole_crop(_as_files(views.pictures[part]), views.holes[part])
        there = crops.isfinite().all(3).all(2).all(1)
        if there.any():
            with torch.no_grad():
                (found,) = network(crops[there])
            rows[part][there.cpu().numpy()] = found.mean((2, 3)).cpu().numpy()
    return rows


def arcface_features(views: Views, *, batch: int = 8) -> np.ndarray:
    """(N,512) float32: ArcFace embeddings, of unit length, of the whole face. Always computed on the CPU.

    Raises:
        UnmaskError: as `vgg16_features`.
    """
    rows = np.full((len(views.pictures), ARCFACE_WIDTH), np.nan, np.float32)
    there = np.flatnonzero(np.isfinite(views.points).all((1, 2)))
    for start in range(0, len(there), batch):
        part = there[start : start + batch]
        rows[part] = faceanalysis.embed(views.pictures[torch.from_numpy(part)], views.points[part])
    return rows


EXTRACTORS: dict[str, Callable[[Views], np.ndarray]] = {"vgg16": vgg16_features, "arcface": arcface_features}
"""By the name that stands in the metrics'."""


def usable(*features: np.ndarray) -> np.ndarray:
    """(N,) which rows are finite in all arrays (N,d)."""
    return np.asarray(np.logical_and.reduce([np.isfinite(one).all(1) for one in features]))


def _square(inside: Tensor) -> tuple[int, int, int]:
    """Top, left and side of the square about what is true in (H,W)."""
    height, width = inside.shape
    rows, columns = torch.nonzero(inside.any(1)).flatten(), torch.nonzero(inside.any(0)).flatten()
    (top, bottom), (left, right) = ((int(one[0]), int(one[-1]) + 1) for one in (rows, columns))
    side = min(max(bottom - top, right - left), height, width)
    top = min(max(0, (top + bottom - side) // 2), height - side)
    left = min(max(0, (left + right - side) // 2), width - side)
    return top, left, side


def _as_files(pictures: Tensor) -> Tensor:
    return torch.stack([from_uint8(to_uint8(one)) for one in pictures]).to(pictures.device)


@cache
def _vgg(device: torch.device) -> VGG16Features:
    return VGG16Features.pretrained((VGG_LAYER,)).to(device)
