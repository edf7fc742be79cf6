"""From what a method generated to composites."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from unmask.compositing import composite
from unmask.config import JoinConfig
from unmask.faces import Faces, Reconstruction
from unmask.images import dilate


@dataclass(frozen=True)
class Composites:
    """The answers to one picture, joined to it.

    Attributes:
        composite: (3,H,W) in [-1,1], of the first answer.
        samples: (K,3,H,W), of all K answers, the first among them; None where there is one.
    """

    composite: Tensor
    samples: Tensor | None = None


def join_answers(made: Reconstruction, one: Faces, occlusion: JoinConfig) -> Composites:
    """Composite one picture's answers; `made` and `one` are batches of one, on the CPU."""
    joined = join(made.raw, one, occlusion) if made.composites is None else made.composites
    if made.samples is None:
        return Composites(joined[0])
    # The others one by one too: rounding must not depend on how many there are.
    others = [join(raw[None], one, occlusion) for raw in made.samples[0, 1:]]
    return Composites(joined[0], torch.cat([joined, *others]))


def join(raw: Tensor, one: Faces, occlusion: JoinConfig) -> Tensor:
    """The composite of one picture: raw (1,3,H,W) in [-1,1] -> (1,3,H,W) in [-1,1]."""
    return composite(
        raw,
        one.masked,
        dilate(one.filled, occlusion.seam),
        feather=occlusion.feather,
        blend=occlusion.blend,
    )
