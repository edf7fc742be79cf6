"""Where each of several answers to one picture starts, and what it is tied to.

Randomised maximum likelihood (Kitanidis 1995, "Quasi-linear geostatistical theory for inversing"; Oliver, He & Reynolds
1996, "Conditioning permeability fields to pressure data"): draw latents from the prior, then fit the draw to what was
observed while tied to where it came from. Where the visible pixels settle a direction, all answers meet again; where
they say nothing of it, each keeps what it drew.

For pictures G·x and a standard normal prior, minimising |G·x - d|²/r + |x - a|² gives x = M·a + K·d with
M = (1 + GᵀG/r)⁻¹, which is the posterior's covariance. Anchors a of covariance 1 give x the covariance M². The two
are the same in directions of which d says everything (0) or nothing (1), so for exact observations the answers are
exact samples of the posterior. In between they vary too little by a factor of M; the full method would move d as well,
by noise of variance r. That is left out here: it would change the visible face.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unmask.projection.latents import LatentStatistics
from unmask.projection.starts import picture_seed


def sample_start(
    start: Tensor, statistics: LatentStatistics, ids: tuple[str, ...], *, sample: int, spread: float, seed: int
) -> Tensor:
    """Start and anchor of answer number `sample`: like `start`, all layers of a picture moved alike.

    Args:
        start: (B,1 or L,D) latents, the start of answer 0, which is returned as it is.
        statistics: of the latents. Their deviations are taken one by one, so a draw is one of the prior where
            directions are uncorrelated, as in P_N; in w itself it leaves the faces that the generator knows.
        ids: B names; each picture has a seed of its own for each answer.
        spread: standard deviation of the draws, in those of the latents.
    """
    if sample == 0:
        return start
    rngs = [torch.Generator().manual_seed(picture_seed(seed, f"sample/{sample}/{picture_id}")) for picture_id in ids]
    drawn = torch.stack([torch.randn(1, start.shape[-1], generator=rng) for rng in rngs])
    return start + spread * statistics.std * drawn.to(start)
