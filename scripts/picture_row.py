"""Pictures side by side, for the documentation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from unmask.files import atomic_path
from unmask.images import to_uint8

SIDE = 200
"""Of each picture, in pixels."""
GAP = 6


def save_row(pictures: Sequence[Tensor], path: Path) -> None:
    """Write pictures (1,3,H,W) in [-1,1] as a JPEG, from left to right, with white between them."""
    row = np.full((SIDE, len(pictures) * (SIDE + GAP) - GAP, 3), 255, np.uint8)
    for place, picture in enumerate(pictures):
        small = Image.fromarray(to_uint8(picture[0])).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        row[:, place * (SIDE + GAP) : place * (SIDE + GAP) + SIDE] = np.asarray(small)
    with atomic_path(path) as temporary:
        Image.fromarray(row).save(temporary, quality=85, optimize=True)
