"""Where each of several answers to one picture starts, and what it is tied to.

The linear-Gaussian model of a generator's pictures (`unmask.projection.regression`) knows not only the w to expect from
the visible pixels but its whole posterior. Answers start from draws of it, which move what is hidden and hardly what is
seen; the projection then fits each draw to the visible pixels while tied to where it came from, as in randomised
maximum likelihood (Oliver, He & Reynolds 1996, "Conditioning permeability fields to pressure data"). As the generator
is not linear, answers are plausible ones, not exact samples.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unmask.projection.regression import PictureModel
from unmask.seeds import picture_generators


def draw_move(
    model: PictureModel, visible: Tensor, ids: tuple[str, ...], *, sample: int, spread: float, ridge: float, seed: int
) -> Tensor:
    """How far answer number `sample` starts from the first: a change of w, (B,1,w_dim).

    Args:
        visible: (B,1,H,W), 1 where the picture is seen.
        ids: B names; each picture has a seed of its own for each answer.
        spread: what to multiply the posterior's deviations with.
        ridge: see `PictureModel.expected_w`.
    """
    rngs = picture_generators(seed, ids, f"sample/{sample}")
    noise = torch.stack([torch.randn(len(model.basis), generator=rng) for rng in rngs])
    return spread * model.posterior_moves(visible, noise.to(visible), ridge=ridge)[:, None]
