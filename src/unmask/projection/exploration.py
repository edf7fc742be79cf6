"""Noise added to the latents before every step, so that a projection explores while it is young.

Karras et al. 2020 (StyleGAN2), appendix D: normal noise whose deviation falls quadratically to zero.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from unmask.seeds import picture_generators

Explore = Callable[[int, int, Tensor], Tensor]
"""Step, steps in all, latents -> an offset like the latents."""


@dataclass(frozen=True)
class NoiseRamp:
    """Share of the latents' total deviation, and share of the steps over which it falls to zero."""

    amount: float
    length: float

    def factor(self, step: int, total: int) -> float:
        """What to multiply the total deviation with at 0-based `step` of `total`."""
        return self.amount * max(0.0, 1.0 - step / total / self.length) ** 2


def explore_with(ramp: NoiseRamp, total_std: Tensor, ids: tuple[str, ...], seed: int) -> Explore:
    """Noise for pictures `ids`, every picture with its own seed; `total_std` () of the latents."""
    rngs = picture_generators(seed, ids, "w_noise")

    def offset(step: int, total: int, latents: Tensor) -> Tensor:
        drawn = torch.stack([torch.randn(latents.shape[1:], generator=rng) for rng in rngs])
        return drawn.to(latents) * (total_std * ramp.factor(step, total))

    return offset
