"""Where the face mask hides the face.

Every source is an `OcclusionFinder` in a file of its own; `build` makes the configured one.
"""

from __future__ import annotations

from unmask.occlusion.auto import AutoOcclusion
from unmask.occlusion.base import FoundOcclusion, OcclusionFinder
from unmask.occlusion.difference import DifferenceOcclusion
from unmask.occlusion.landmarks import LandmarkOcclusion
from unmask.occlusion.painted import PaintedOcclusion
from unmask.occlusion.preferred import PaintedFirst
from unmask.occlusion.remnants import grown
from unmask.occlusion.sources import build

__all__ = [
    "AutoOcclusion",
    "DifferenceOcclusion",
    "FoundOcclusion",
    "LandmarkOcclusion",
    "OcclusionFinder",
    "PaintedFirst",
    "PaintedOcclusion",
    "build",
    "grown",
]
