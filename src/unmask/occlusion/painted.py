"""Occlusion from a painted picture, as drawn by hand in any paint program."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import final

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from unmask.alignment import Placement, crop
from unmask.decoding import deep_range, is_deep, open_picture
from unmask.errors import UnmaskError
from unmask.occlusion.base import WAYS_OUT, FoundOcclusion, OcclusionFinder
from unmask.occlusion.plausibility import doubt_about_map, is_inverted

MOST_PAINTED = 0.9
"""Share of the picture above which the paint cannot be a face mask; black and white are likely swapped."""


@final
class PaintedOcclusion(OcclusionFinder):
    """Reads the painted file of each id; see `load_painted` for what counts as paint.

    A map that surely marks what is visible is refused, one that looks otherwise unlike a face mask is doubted.
    """

    def __init__(self, files: Mapping[str, Path], *, invert: bool = False) -> None:
        """`invert`: white (or opaque) is where the face is visible."""
        self.files = dict(files)
        self.invert = invert

    def find(self, id: str, masked: Tensor, clean: Tensor | None, placement: Placement | None = None) -> FoundOcclusion:
        if id not in self.files:
            raise UnmaskError(f"No painted occlusion for {id}. {WAYS_OUT}")
        occlusion = load_painted(self.files[id], masked.shape[-1], invert=self.invert, placement=placement)
        region = occlusion[0].numpy() > 0
        if is_inverted(region):
            way_out = "occlusion.invert=false" if self.invert else "occlusion.invert=true"
            raise UnmaskError(
                f"{self.files[id]}: the map marks what is visible, {region.mean():.0%} of the picture, and leaves the "
                f"mouth out. If all maps are like this, set {way_out}."
            )
        return FoundOcclusion(occlusion, doubt_about_map(region))


def load_painted(path: Path, resolution: int, *, invert: bool = False, placement: Placement | None = None) -> Tensor:
    """Read a painted occlusion as (1,resolution,resolution) float32 of 0 and 1.

    With a `placement` the map is as large as the photo, and what is painted there is cut out.

    The picture is scaled with an area filter and cut at one half. Paint is whatever is bright: the largest of
    R, G and B, so that a saturated colour counts as white does. In a picture with transparency the paint is
    what is opaque (a layer drawn over the photo, in any colour, black too), unless the opaque part itself
    holds both dark and bright pixels: then brightness decides and transparent counts as dark. Maps of 0 and 1
    and 16-bit maps are read as if they used the whole range. With `invert` all that is not paint is marked.

    Raises:
        UnmaskError: unreadable, not square or not of the photo's size, nothing painted, or (nearly) everything painted.
    """
    paint = _read_paint(path)
    height, width = paint.shape
    if placement is not None:
        if (height, width) != (placement.height, placement.width):
            raise UnmaskError(
                f"{path}: the painted occlusion is {width}x{height}, the photo is {placement.width}x"
                f"{placement.height}; with data.align=true paint it on the photo itself (occlusion.painted_dir)."
            )
        scaled = crop(paint, placement.quad, resolution)
    elif height != width:
        raise UnmaskError(
            f"{path}: the painted occlusion is {width}x{height}, the pictures are square; "
            "paint it on the aligned picture itself (occlusion.painted_dir)."
        )
    else:
        # mode "F" keeps the fractions of the area filter, so that the cut happens once, at the final size
        scaled = np.asarray(Image.fromarray(paint).resize((resolution, resolution), Image.Resampling.BOX))
    occlusion = (scaled >= 0.5) != invert
    if not occlusion.any():
        raise UnmaskError(f"{path}: nothing is painted. Paint the face mask white on black (occlusion.painted_dir).")
    if occlusion.mean() > MOST_PAINTED:
        raise UnmaskError(
            f"{path}: {occlusion.mean():.0%} of the picture is painted. Only the face mask should be white; "
            f"are black and white swapped (occlusion.invert={str(not invert).lower()})?"
        )
    return torch.from_numpy(occlusion.astype(np.float32))[None]


def _read_paint(path: Path) -> np.ndarray:
    """(H,W) float32 in [0,1], 1 = painted."""
    picture = open_picture(path)
    if is_deep(picture):
        values = np.asarray(picture)
        try:
            return _whole_range(values.astype(np.float32), deep_range(values))
        except UnmaskError as error:
            raise UnmaskError(f"{path}: cannot be read as a map ({error}).") from error
    rgba = np.asarray(picture.convert("RGBA"))
    brightness = _whole_range(rgba[..., :3].max(axis=-1).astype(np.float32), 255.0)
    alpha = rgba[..., 3].astype(np.float32) / 255.0
    opaque = alpha >= 0.5
    if opaque.all():
        return brightness
    if opaque.any() and 0.02 < (brightness[opaque] >= 0.5).mean() < 0.98:
        return brightness * alpha
    return alpha


def _whole_range(values: np.ndarray, top: float) -> np.ndarray:
    """Scale to [0,1]; a map whose largest value is 1 is taken for a map of 0 and 1."""
    return values if values.max() <= 1.0 else np.clip(values / top, 0.0, 1.0)
