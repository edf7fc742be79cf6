"""Photos that are not aligned, brought into FFHQ's frame as they are read (`data.align`)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from torch import Tensor

from unmask.alignment import Placement, crop, place_main_face
from unmask.errors import UnmaskError
from unmask.files import stamp
from unmask.images import from_uint8, load_levels

KEPT = 100_000
"""Photos whose faces' places are remembered by a process."""


@dataclass(frozen=True)
class AlignedPicture:
    """
    Attributes:
        picture: (3,R,R) in [-1,1].
        notes: what the user should know of how the photo was decoded.
        placement: where it lies in the photo.
    """

    picture: Tensor
    notes: tuple[str, ...]
    placement: Placement


def load_aligned(path: Path, resolution: int, placement: Placement | None = None) -> AlignedPicture:
    """The largest face of a photo in its frame, or what lies at `placement` in it.

    Raises:
        UnmaskError: the file is missing, damaged or no picture, there is no face in it that can be unmasked, or its
            size is not that of the photo of `placement`; names the file.
    """
    photo, notes = load_levels(path)
    if placement is None:
        placement = _main_face(path, stamp(path))
    elif photo.shape[:2] != (placement.height, placement.width):
        raise UnmaskError(
            f"{path}: is {photo.shape[1]}x{photo.shape[0]}, and the masked photo of that id is "
            f"{placement.width}x{placement.height}; with data.align=true both must be the same photo at the same size."
        )
    return AlignedPicture(from_uint8(crop(photo, placement.quad, resolution)), notes, placement)


@lru_cache(maxsize=KEPT)
def _main_face(path: Path, state: tuple[str, int, int] | None) -> Placement:
    """Where the largest face of a photo is; `state` tells the file from a later one at its place.

    Finding it takes far longer than decoding the photo, and a data set reads a picture more than once: for the method,
    for grids, and in every epoch of a training.
    """
    photo, _ = load_levels(path)
    try:
        return place_main_face(photo)
    except UnmaskError as error:
        raise UnmaskError(f"{path}: {error} (data.align=true).") from error
