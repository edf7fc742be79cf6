"""The one place that knows every source of occlusions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from unmask.config import OcclusionSource
from unmask.occlusion.base import OcclusionFinder
from unmask.occlusion.difference import DifferenceOcclusion
from unmask.occlusion.painted import PaintedOcclusion


def build(source: OcclusionSource, painted: Mapping[str, Path]) -> OcclusionFinder:
    """The finder of `source`; `painted` maps ids to painted files and is used by `painted` alone."""
    if source is OcclusionSource.painted:
        return PaintedOcclusion(painted)
    if source is OcclusionSource.difference:
        return DifferenceOcclusion()
    raise AssertionError(f"no finder for {source}")
