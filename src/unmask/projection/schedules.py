"""Learning-rate ramps."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Ramp:
    """Linear warm-up, constant, then a cosine or linear fall to zero; shares of all steps.

    With rampup .05, rampdown .25 and the cosine this is the ramp of Karras et al. 2020 (StyleGAN2), appendix D.
    """

    rampup: float
    rampdown: float
    cosine: bool = True

    def factor(self, step: int, total: int) -> float:
        """What to multiply the learning rate with at 0-based `step` of `total`, in [0,1]."""
        t = step / total
        fall = min(1.0, (1.0 - t) / self.rampdown) if self.rampdown > 0 else 1.0
        if self.cosine:
            fall = 0.5 - 0.5 * math.cos(math.pi * fall)
        rise = min(1.0, t / self.rampup) if self.rampup > 0 else 1.0
        return fall * rise
