"""What was generated in a face's frame, pasted into the photo at the photo's own size."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unmask.alignment.grain import Grain, matching_blur
from unmask.alignment.quad import Quad
from unmask.compositing import composite, soft_edge
from unmask.config import JoinConfig
from unmask.images import from_uint8, resize, to_uint8

MARGIN = 40.0
"""How far around the hole the photo is looked at for colours, sharpness and grain, in pixels at 256."""
RING = 24.0
"""How far around the hole the photo's sharpness and grain are measured, in pixels at 256."""


@dataclass(frozen=True)
class Region:
    """Part of a photo, and what of it is inside.

    Attributes:
        left, top: where the part's first pixel is in the photo.
        inside: (h,w) bool.
    """

    left: int
    top: int
    inside: np.ndarray

    def of(self, photo: np.ndarray) -> np.ndarray:
        """The part of a photo (H,W,...), as a view."""
        height, width = self.inside.shape
        return photo[self.top : self.top + height, self.left : self.left + width]

    def mark(self, filled: np.ndarray) -> None:
        """Mark what is inside in a map (H,W) bool of the photo, in place."""
        part = self.of(filled)
        part |= self.inside


@dataclass(frozen=True)
class Pasted:
    """A part of a photo that was filled.

    Attributes:
        region: where, and what of it was changed.
        pixels: (h,w,3) uint8; those outside the region are the photo's own.
    """

    region: Region
    pixels: np.ndarray

    def onto(self, photo: np.ndarray) -> None:
        """Write what was changed into (H,W,3) uint8, in place."""
        self.region.of(photo)[self.region.inside] = self.pixels[self.region.inside]

    def mark(self, filled: np.ndarray) -> None:
        """Mark what was changed in a map (H,W) bool of the photo, in place."""
        self.region.mark(filled)


def render_for(quad: Quad, raw: Tensor, full: Tensor | None) -> Tensor:
    """Which render of an answer to paste: the full one only where the face is larger in the photo than `raw` is.

    Arguments and result are those of `fitted_full`.
    """
    return fitted_full(raw, full if quad.side > raw.shape[-1] else None)


def fitted_full(raw: Tensor, full: Tensor | None) -> Tensor:
    """The full-resolution render in the colours that were fitted.

    Args:
        raw: (3,H,W) in [-1,1], what the method answers, in the colours of the photo.
        full: (3,R,R) in [-1,1], the render of the same latents; None where the method has none.
    Returns:
        (3,R,R) in [-1,1], or `raw` itself.
    """
    if full is None:
        return raw
    colours = raw - resize(full[None], raw.shape[-1])[0]
    return (full + resize(colours[None], full.shape[-1])[0]).clamp(-1, 1)


def paste(
    photo: np.ndarray, quad: Quad, picture: Tensor, filled: Tensor, occlusion: JoinConfig, *, seed: int = 0
) -> Pasted:
    """Fill the hidden part of one face.

    The render is brought to the face's size in the photo, blurred as the photo is around the hole, joined to it, and
    given its grain.

    Args:
        photo: (H,W,3) uint8, sRGB, upright.
        quad: the face's frame.
        picture: (3,R,R) in [-1,1], the frame as generated, of any size.
        filled: (1,S,S), 1 where the photo is to be replaced, before it is grown for the seam.
        occlusion: how the two are joined.
        seed: of the grain.
    """
    import cv2

    unit = quad.side / 256.0
    region = region_in(photo.shape[0], photo.shape[1], quad, filled, occlusion.seam)
    if region is None:
        return Pasted(Region(0, 0, np.zeros((0, 0), bool)), np.zeros((0, 0, 3), np.uint8))
    hole, part = region.inside, region.of(photo)
    height, width = hole.shape

    render = to_uint8(picture)
    if quad.side < len(render):
        side = math.ceil(quad.side)
        render = cv2.resize(render, (side, side), interpolation=cv2.INTER_AREA)
    border = cv2.BORDER_REPLICATE
    matrix = _moved(quad.to_photo(len(render)), region.left, region.top)
    render = cv2.warpAffine(render, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=border)

    away = cv2.distanceTransform((~hole).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) / unit
    ring = (away > 0) & (away <= RING)
    grain = Grain.of(part, ring)
    sigma = matching_blur(render, part, ring, grain)
    if sigma > 0:
        render = cv2.GaussianBlur(render, (0, 0), sigma)
    noise = grain.less(Grain.of(render, ring)).drawn(height, width, seed)

    hole_map = torch.from_numpy(hole.astype(np.float32))[None, None]
    joined = composite(
        from_uint8(render)[None],
        from_uint8(part)[None],
        hole_map,
        feather=occlusion.feather,
        blend=occlusion.blend,
        unit=unit,
    )[0]
    share = soft_edge(hole_map, occlusion.feather * unit)[0, 0, :, :, None].numpy()
    levels = (joined.permute(1, 2, 0).numpy() + 1) * 127.5 + noise * share
    pixels = np.where(hole[..., None], np.clip(np.rint(levels), 0, 255).astype(np.uint8), part)
    return Pasted(region, pixels)


def region_in(height: int, width: int, quad: Quad, filled: Tensor, seam: float) -> Region | None:
    """Where a map (1,S,S) of a frame, grown by `seam` pixels at 256, lies in a photo; None where it lies outside.

    The part of the photo reaches MARGIN beyond it.
    """
    box = _box(height, width, quad, filled)
    if box is None:
        return None
    left, top, right, bottom = box
    matrix = _moved(quad.to_photo(filled.shape[-1]), left, top)
    return Region(left, top, _inside(filled, seam, matrix, (right - left, bottom - top)))


def _moved(matrix: np.ndarray, left: int, top: int) -> np.ndarray:
    """A matrix into the photo as one into the part of it that begins there."""
    moved = matrix.copy()
    moved[:, 2] -= (left, top)
    return moved


def _inside(filled: Tensor, seam: float, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(h,w) bool: the region grown by `seam`, with smooth edges at any size, since distances are interpolated."""
    import cv2

    region = (filled[0].numpy() > 0.5).astype(np.uint8)
    kind = (cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    distance: np.ndarray
    if region.all():
        distance = np.full(region.shape, 1.0, np.float32)
    else:
        # half a pixel each way: the edge is between the last pixel inside and the first outside
        outside = cv2.distanceTransform(1 - region, *kind)
        distance = np.where(region > 0, cv2.distanceTransform(region, *kind) - 0.5, 0.5 - outside)
    distance = cv2.GaussianBlur(distance, (0, 0), 0.7 * len(region) / 256)  # the map's edge has steps
    grown = distance + seam * len(region) / 256
    far = cv2.warpAffine(
        grown.astype(np.float32), matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=-1e3
    )
    return np.asarray(far > 0)


def _box(height: int, width: int, quad: Quad, filled: Tensor) -> tuple[int, int, int, int] | None:
    """Left, top, right, bottom of the part of the photo that matters; None where nothing is to be filled there."""
    rows, columns = np.nonzero(filled[0].numpy() > 0.5)
    if not len(rows):
        return None
    size = filled.shape[-1]
    reach = MARGIN * size / 256
    x = np.clip([columns.min() - reach, columns.max() + reach], 0, size)
    y = np.clip([rows.min() - reach, rows.max() + reach], 0, size)
    corners = np.array([[x[0], y[0]], [x[0], y[1]], [x[1], y[0]], [x[1], y[1]]])
    matrix = quad.to_photo(size)
    places = corners @ matrix[:, :2].T + matrix[:, 2]
    low = np.clip(np.floor(places.min(0)).astype(int), 0, [width, height])
    high = np.clip(np.ceil(places.max(0)).astype(int) + 1, 0, [width, height])
    if (high - low).min() < 1:
        return None
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
