"""Noise maps of a generator as variables of a projection: starts, regulariser, normalisation.

Karras et al. 2020 (StyleGAN2), appendix D: maps must stay normal noise, or they would paint the picture themselves.
Checked against the reference projector's numbers.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from unmask.seeds import picture_generators

SMALLEST_SIDE = 8
"""The pyramid of the regulariser ends at this size, in pixels."""

NoiseMaps = tuple[Tensor, ...]
"""One (B,1,h,w) per noise input of the generator."""


def random_noise(maps: NoiseMaps, ids: tuple[str, ...], seed: int) -> NoiseMaps:
    """Normal noise shaped like the generator's `maps` (each (1,1,h,w)), every picture with its own seed."""
    rngs = picture_generators(seed, ids, "noise")
    return tuple(
        torch.cat([torch.randn(one.shape, generator=rng) for rng in rngs]).to(one.device) if rngs else one
        for one in maps
    )


def noise_penalty(maps: NoiseMaps) -> Tensor:
    """Squared autocorrelation with the neighbours to the left and above, summed over maps and scales: (B,)."""
    total = torch.zeros(len(maps[0]), device=maps[0].device)
    for one in maps:
        scale = one
        while True:
            for axis in (3, 2):
                total = total + (scale * scale.roll(1, axis)).mean((1, 2, 3)).square()
            if scale.shape[-1] <= SMALLEST_SIDE:
                break
            scale = F.avg_pool2d(scale, 2)
    return total


@torch.no_grad()
def normalise_noise(maps: NoiseMaps) -> None:
    """Bring every map of every picture back to mean zero and mean square one, in place."""
    for one in maps:
        one -= one.mean((1, 2, 3), keepdim=True)
        one *= torch.rsqrt(one.square().mean((1, 2, 3), keepdim=True))
