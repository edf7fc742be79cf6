"""Where the face mask hides the face.

Every source is an `OcclusionFinder` in a file of its own; `build` makes the configured one.
"""

from __future__ import annotations

from unmask.occlusion.base import OcclusionFinder
from unmask.occlusion.difference import DifferenceOcclusion
from unmask.occlusion.painted import PaintedOcclusion
from unmask.occlusion.sources import build

__all__ = ["DifferenceOcclusion", "OcclusionFinder", "PaintedOcclusion", "build"]
