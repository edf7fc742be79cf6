"""What a projection minimises: visible pixels, visible features, and penalties on the latent."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from unmask.images import depth
from unmask.kinds import PixelLoss
from unmask.losses import pixel_loss
from unmask.networks.face_embedding import FaceEmbedding
from unmask.projection.latents import LatentStatistics, anchor_penalty, prior_penalty, spread_penalty
from unmask.projection.noise import NoiseMaps, noise_penalty
from unmask.projection.perceptual import Looks, PerceptualDistance

FOCUS_FLOOR = 0.3
"""Weight of pixels far from the hole, relative to those beside it."""


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Weights of the objective's terms; a zero leaves the term out, and its cost."""

    pixel: float
    perceptual: float
    prior: float
    spread: float
    anchor: float = 0.0
    noise: float = 0.0
    identity: float = 0.0

    def tensors(self, like: Tensor) -> dict[str, Tensor]:
        """Name -> () of the terms that are not left out, with the dtype and on the device of `like`.

        Tensors, since a compiled function takes them as data: a number would be compiled into it, and every other value
        would be compiled anew. Results are the same to the bit, for PyTorch too rounds a number to the dtype of what it
        is multiplied with.
        """
        return {
            name: torch.tensor(value, dtype=like.dtype, device=like.device)
            for name, value in asdict(self).items()
            if value > 0
        }


@dataclass(frozen=True)
class Target:
    """One batch's fixed side of the objective, computed once a stage.

    Attributes:
        pixels: (B,3,H,W) in [-1,1], the masked picture.
        visible: (B,1,H,W), how much pixels count; 0 in the hole.
        anchor: (B,1,w_dim), what the latents are tied to.
        looks: what features are to be; None without a perceptual term.
        identity: (B,128) the face embedding that is wanted; None leaves that term out.
        identity_share: (B,) what the identity term's weight is multiplied with; None: 1.
    """

    pixels: Tensor
    visible: Tensor
    anchor: Tensor
    looks: Looks | None = None
    identity: Tensor | None = None
    identity_share: Tensor | None = None


class Objective:
    """Per-picture losses of generated pictures and their latents; holds no state of a batch."""

    def __init__(
        self,
        weights: Weights,
        statistics: LatentStatistics,
        *,
        pixel: PixelLoss = PixelLoss.mse,
        focus: float = 0.0,
        perceptual: PerceptualDistance | None = None,
        embedding: FaceEmbedding | None = None,
    ) -> None:
        """
        Args:
            statistics: of the latents that `losses` is given.
            focus: see `proximity`; 0 weighs all visible pixels alike.
            perceptual: how features are compared; only a weight of 0 does without.
            embedding: tells whom a face belongs to; only a weight of 0 does without.
        """
        assert perceptual is not None or weights.perceptual == 0
        assert embedding is not None or weights.identity == 0
        self.weights = weights.tensors(statistics.mean)
        self.statistics = statistics
        self.pixel = pixel
        self.focus = focus
        self.perceptual = perceptual
        self.embedding = embedding

    @torch.no_grad()
    def target(
        self, masked: Tensor, visible: Tensor, filler: Tensor, anchor: Tensor, identity: Tensor | None = None
    ) -> Target:
        """Prepare a batch; `filler` (B,3,H,W) stands in for the hidden pixels where features look into the hole."""
        near = proximity(visible, self.focus) if self.focus > 0 else torch.ones_like(visible)
        looks = None
        if self.perceptual is not None:
            looks = self.perceptual.looks(visible * masked + (1 - visible) * filler, visible, near)
        return Target(masked, visible * near, anchor, looks, identity)

    def losses(self, images: Tensor, latents: Tensor, noise: NoiseMaps, target: Target) -> dict[str, Tensor]:
        """images (B,3,H,W), latents (B,L,D) -> named (B,) values, already weighted, with their sum under "total"."""
        found: dict[str, Tensor] = {}
        if "pixel" in self.weights:
            found["pixel"] = self.weights["pixel"] * pixel_loss(images, target.pixels, target.visible, self.pixel)
        if "perceptual" in self.weights and self.perceptual is not None and target.looks is not None:
            found["perceptual"] = self.weights["perceptual"] * self.perceptual.distance(images, target.looks)
        if "prior" in self.weights:
            found["prior"] = self.weights["prior"] * prior_penalty(latents, self.statistics)
        if "spread" in self.weights and latents.shape[1] > 1:
            found["spread"] = self.weights["spread"] * spread_penalty(latents, self.statistics)
        if "anchor" in self.weights:
            found["anchor"] = self.weights["anchor"] * anchor_penalty(latents, target.anchor, self.statistics)
        if "identity" in self.weights and self.embedding is not None and target.identity is not None:
            pasted = torch.where(target.visible > 0, target.pixels, images)
            apart = (self.embedding(pasted) - target.identity).square().sum(1)
            weighted = self.weights["identity"] * apart
            found["identity"] = weighted if target.identity_share is None else weighted * target.identity_share
        if "noise" in self.weights and noise:
            found["noise"] = self.weights["noise"] * noise_penalty(noise)
        found["total"] = torch.stack(list(found.values())).sum(0)
        return found


def proximity(visible: Tensor, scale: float) -> Tensor:
    """How much a visible pixel tells of the hole: 1 beside it, falling to FOCUS_FLOOR over `scale` pixels at 256.

    visible (B,1,H,W), 1 outside the hole -> (B,1,H,W); a Gaussian of the distance to the hole.
    """
    distance = depth(visible) * 256.0 / visible.shape[-1]
    return FOCUS_FLOOR + (1 - FOCUS_FLOOR) * torch.exp(-0.5 * (distance / scale).square())
