"""Who comes back shaven although the visible part speaks for a beard.

Cheeks, neck, age and sex tell something of a beard under a face mask, and the network that expects a face's embedding
from its visible part has learnt what: the linear map of `unmask.projection.traits` reads it from there.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unmask.faces import Doubt
from unmask.projection.traits import Traits

LIKELY = 0.1
"""Beard to expect, from here on: 15 of the 16 bearded of 120 pairs have more, and 30 of the other 104 people."""
SHAVEN = 0.12
"""Beard that is measured of a shaven result, at most: the least of the 16 with the mask off is 0.15. Many a result that
looks shaven measures more, see docs/controls.md."""


WAY_OUT = "set method.beard=0.4 if there is one."


@dataclass(frozen=True)
class Beards:
    """What measures beards, and says where one is missing."""

    traits: Traits

    @torch.no_grad()
    def doubts(self, ids: tuple[str, ...], expected: Tensor, pictures: Tensor) -> tuple[Doubt, ...]:
        """A doubt for each picture that shows no beard where one is likely.

        Args:
            expected: (B,128) embeddings to expect from the visible part.
            pictures: (B,3,H,W) in [-1,1], with the hole filled.
        """
        found = []
        likely = self.traits.read(expected, "beard")
        for row, id in enumerate(ids):
            if float(likely[row]) < LIKELY:
                continue
            shown = float(self.traits.read(self.traits.embedding()(pictures[row : row + 1]), "beard"))
            if shown < SHAVEN:
                found.append(Doubt(id, f"The visible part speaks for a beard, and the result shows none: {WAY_OUT}"))
        return tuple(found)
