"""The one place that knows every source of occlusions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from unmask.config import HoleConfig, OcclusionSource
from unmask.occlusion.auto import AutoOcclusion
from unmask.occlusion.base import OcclusionFinder
from unmask.occlusion.difference import DifferenceOcclusion
from unmask.occlusion.landmarks import LandmarkOcclusion
from unmask.occlusion.painted import PaintedOcclusion
from unmask.occlusion.preferred import PaintedFirst


def build(config: HoleConfig, painted: Mapping[str, Path]) -> OcclusionFinder:
    """The finder of `config.source`; `painted` maps ids to painted files and is used by `painted` and `auto` alone."""
    source = config.source
    if source is OcclusionSource.painted:
        return PaintedOcclusion(painted, invert=config.invert)
    if source is OcclusionSource.difference:
        return DifferenceOcclusion()
    if source is OcclusionSource.landmarks:
        return LandmarkOcclusion()
    assert source is OcclusionSource.auto, f"no finder for {source}"
    return (
        PaintedFirst(PaintedOcclusion(painted, invert=config.invert), AutoOcclusion()) if painted else AutoOcclusion()
    )
