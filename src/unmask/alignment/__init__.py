"""From a photo to FFHQ's frame of a face and back: finding, aligning under the mask, pasting."""

from __future__ import annotations

from unmask.alignment.align import frame_of
from unmask.alignment.crop import crop
from unmask.alignment.finding import find_faces
from unmask.alignment.paste import Pasted, Region, fitted_full, paste, region_in, render_for
from unmask.alignment.placement import Placement, Portrait, place_main_face, place_person
from unmask.alignment.quad import Quad, corner_error
from unmask.alignment.suitable import unsuitable

__all__ = [
    "Pasted",
    "Placement",
    "Portrait",
    "Quad",
    "Region",
    "corner_error",
    "crop",
    "find_faces",
    "fitted_full",
    "frame_of",
    "paste",
    "place_main_face",
    "place_person",
    "region_in",
    "render_for",
    "unsuitable",
]
