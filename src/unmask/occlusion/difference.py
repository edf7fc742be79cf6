"""Occlusion from a pair: where the masked picture differs from the clean one."""

from __future__ import annotations

from typing import final

import numpy as np
import torch
from torch import Tensor

from unmask.alignment import Placement
from unmask.errors import UnmaskError
from unmask.occlusion.base import WAYS_OUT, FoundOcclusion, OcclusionFinder

LEAST_SHARE = 0.005
"""Share of the picture below which a changed region is noise and not a face mask."""
MOST_SHARE = 0.7
"""Share of the picture above which the two pictures cannot be a pair."""


@final
class DifferenceOcclusion(OcclusionFinder):
    """Compares the pair; see `difference_occlusion`."""

    def find(self, id: str, masked: Tensor, clean: Tensor | None, placement: Placement | None = None) -> FoundOcclusion:
        if clean is None:
            raise UnmaskError(f"{id}: occlusion=difference needs the clean picture and there is none. {WAYS_OUT}")
        try:
            return FoundOcclusion(difference_occlusion(masked, clean))
        except UnmaskError as error:
            raise UnmaskError(f"{id}: {error} {WAYS_OUT}") from error


def difference_occlusion(masked: Tensor, clean: Tensor) -> Tensor:
    """Find the face mask as the one large region in which a pair differs.

    The distance of two pixels is the root of the summed squares over RGB, lightly blurred so that JPEG and
    resampling noise averages out. Pixels above Otsu's threshold (1979) are certain; the region then grows
    into connected pixels above a lower threshold taken from the noise of this very pair (median and spread of
    the unchanged pixels). The largest component is closed and its holes are filled, since a light mask over
    light clothes or teeth differs little.

    Args:
        masked, clean: (3,H,W) in [-1,1], of one size.
    Returns:
        (1,H,W) float32 of 0 and 1.
    Raises:
        UnmaskError: the pictures do not differ, or differ everywhere.
    """
    import cv2

    scale = masked.shape[-1] / 256.0
    change = (masked - clean).square().sum(0).sqrt().cpu().numpy()
    change = cv2.GaussianBlur(change, (0, 0), 0.6 * scale)
    certain_above = _otsu(change)
    unchanged = change[change < certain_above]
    median = float(np.median(unchanged))
    spread = 1.4826 * float(np.median(np.abs(unchanged - median)))
    possible_above = min(certain_above, max(0.5 * certain_above, median + 4.0 * spread))
    if certain_above < 0.06:
        raise UnmaskError("The clean and the masked picture hardly differ.")

    _, labels = cv2.connectedComponents((change > possible_above).astype(np.uint8), connectivity=4)
    sizes = np.bincount(labels[change > certain_above], minlength=1)
    sizes[0] = 0
    region = labels == sizes.argmax()
    radius = max(1, round(3 * scale))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    padded = np.pad(region.astype(np.uint8), 2 * radius)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, disc)
    _, outside = cv2.connectedComponents(1 - closed, connectivity=4)
    filled = (outside != outside[0, 0]).astype(np.uint8)
    opened = cv2.morphologyEx(filled, cv2.MORPH_OPEN, disc)[2 * radius : -2 * radius, 2 * radius : -2 * radius]
    # opening removes what noise frays; thin but certain parts are ear loops
    found = (opened > 0) | (region & (change > certain_above))
    share = float(found.mean())
    if share < LEAST_SHARE:
        raise UnmaskError("The clean and the masked picture differ in no region of the size of a face mask.")
    if share > MOST_SHARE:
        raise UnmaskError(f"The clean and the masked picture differ in {share:.0%} of their pixels: are they a pair?")
    return torch.from_numpy(found.astype(np.float32))[None]


def _otsu(values: np.ndarray) -> float:
    """The threshold that separates `values` into two classes with the largest variance between them."""
    from skimage.filters import threshold_otsu

    return float(threshold_otsu(values))
