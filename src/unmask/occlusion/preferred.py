"""Painted occlusions where there are some, and another source for the rest."""

from __future__ import annotations

from typing import final

from torch import Tensor

from unmask.alignment import Placement
from unmask.occlusion.base import FoundOcclusion, OcclusionFinder
from unmask.occlusion.painted import PaintedOcclusion


@final
class PaintedFirst(OcclusionFinder):
    """What somebody painted is preferred to what a network finds."""

    def __init__(self, painted: PaintedOcclusion, otherwise: OcclusionFinder) -> None:
        self.painted = painted
        self.otherwise = otherwise

    def find(self, id: str, masked: Tensor, clean: Tensor | None, placement: Placement | None = None) -> FoundOcclusion:
        finder = self.painted if id in self.painted.files else self.otherwise
        return finder.find(id, masked, clean, placement)
