"""What a projection minimises: visible pixels, visible features, and penalties on the latent."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from unmask.images import depth, resize
from unmask.kinds import PixelLoss, Shrink
from unmask.losses import masked_mean, pixel_loss, unit_normalise
from unmask.networks.face_embedding import FaceEmbedding
from unmask.networks.vgg import VGG16Features, reach, stride
from unmask.networks.windows import places, take
from unmask.projection.latents import LatentStatistics, anchor_penalty, prior_penalty, spread_penalty
from unmask.projection.noise import NoiseMaps, noise_penalty

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
        features: per VGG layer (B,C,h,w).
        feature_visible: per VGG layer (B,1,h,w), how much features count.
        anchor: (B,1,w_dim), what the latents are tied to.
        window: (B,h,h) pixels of the shrunken picture that VGG is shown, see `unmask.networks.windows.places`; None for
            all of it.
        identity: (B,128) the face embedding that is wanted; None leaves that term out.
    """

    pixels: Tensor
    visible: Tensor
    features: tuple[Tensor, ...]
    feature_visible: tuple[Tensor, ...]
    anchor: Tensor
    window: Tensor | None = None
    identity: Tensor | None = None


class Objective:
    """Per-picture losses of generated pictures and their latents; holds no state of a batch."""

    def __init__(
        self,
        weights: Weights,
        pixel: PixelLoss,
        statistics: LatentStatistics,
        vgg: VGG16Features | None,
        *,
        perceptual_resolution: int,
        normalise_features: bool,
        margin: float,
        focus: float,
        shrink: Shrink = Shrink.bicubic,
        channel_weights: tuple[Tensor, ...] | None = None,
        window: float = 1.0,
        embedding: FaceEmbedding | None = None,
    ) -> None:
        """
        Args:
            statistics: of the latents that `losses` is given.
            perceptual_resolution: pictures are shrunk to this before VGG.
            normalise_features: unit-normalise feature vectors (LPIPS) or compare them as they are.
            margin: grow the hole at each feature scale by this share of the layer's reach, since features beside the
                hole see into it.
            focus: see `proximity`; 0 weighs all visible pixels alike.
            shrink: how pictures are shrunk before VGG.
            channel_weights: per VGG layer (C,), what the squared differences of its channels are multiplied with.
            window: VGG is shown a window around the hole with this share of the picture's side; 1: the whole picture.
            embedding: tells whom a face belongs to.
        """
        assert vgg is not None or weights.perceptual == 0
        assert embedding is not None or weights.identity == 0
        self.weights = weights.tensors(statistics.mean)
        self.pixel = pixel
        self.statistics = statistics
        self.vgg = vgg
        self.perceptual_resolution = perceptual_resolution
        self.normalise_features = normalise_features
        self.margin = margin
        self.focus = focus
        self.shrink = shrink
        self.window = window
        self.embedding = embedding
        self.channel_scales = None
        if channel_weights is not None:
            self.channel_scales = tuple(one.sqrt()[:, None, None] for one in channel_weights)

    @torch.no_grad()
    def target(
        self, masked: Tensor, visible: Tensor, filler: Tensor, anchor: Tensor, identity: Tensor | None = None
    ) -> Target:
        """Prepare a batch; `filler` (B,3,H,W) stands in for the hidden pixels where features look into the hole."""
        near = proximity(visible, self.focus) if self.focus > 0 else torch.ones_like(visible)
        if self.vgg is None:
            return Target(masked, visible * near, (), (), anchor, identity=identity)
        filled = visible * masked + (1 - visible) * filler
        hole = F.adaptive_max_pool2d(1 - visible, min(self.perceptual_resolution, visible.shape[-1]))
        window, near_seen = None, near
        if self.window < 1:
            window = places(hole, self.window)
            hole, near_seen = take(hole, window), take(F.adaptive_avg_pool2d(near, hole.shape[-1]), window)
        seen = self._feature_visible(hole)
        weights = tuple(one * F.adaptive_avg_pool2d(near_seen, one.shape[-1]) for one in seen)
        return Target(masked, visible * near, self._features(filled, window), weights, anchor, window, identity)

    def losses(self, images: Tensor, latents: Tensor, noise: NoiseMaps, target: Target) -> dict[str, Tensor]:
        """images (B,3,H,W), latents (B,L,D) -> named (B,) values, already weighted, with their sum under "total"."""
        found: dict[str, Tensor] = {}
        if "pixel" in self.weights:
            found["pixel"] = self.weights["pixel"] * pixel_loss(images, target.pixels, target.visible, self.pixel)
        if "perceptual" in self.weights:
            pairs = zip(self._features(images, target.window), target.features, target.feature_visible, strict=True)
            terms = [self._feature_distance(*pair) for pair in pairs]
            found["perceptual"] = self.weights["perceptual"] * torch.stack(terms).sum(0)
        if "prior" in self.weights:
            found["prior"] = self.weights["prior"] * prior_penalty(latents, self.statistics)
        if "spread" in self.weights and latents.shape[1] > 1:
            found["spread"] = self.weights["spread"] * spread_penalty(latents, self.statistics)
        if "anchor" in self.weights:
            found["anchor"] = self.weights["anchor"] * anchor_penalty(latents, target.anchor, self.statistics)
        if "identity" in self.weights and self.embedding is not None and target.identity is not None:
            pasted = torch.where(target.visible > 0, target.pixels, images)
            apart = (self.embedding(pasted) - target.identity).square().sum(1)
            found["identity"] = self.weights["identity"] * apart
        if "noise" in self.weights and noise:
            found["noise"] = self.weights["noise"] * noise_penalty(noise)
        found["total"] = torch.stack(list(found.values())).sum(0)
        return found

    def _features(self, images: Tensor, window: Tensor | None) -> tuple[Tensor, ...]:
        assert self.vgg is not None
        size = min(self.perceptual_resolution, images.shape[-1])
        small = F.adaptive_avg_pool2d(images, size) if self.shrink is Shrink.area else resize(images, size)
        features = self.vgg(small if window is None else take(small, window))
        if self.normalise_features:
            features = tuple(map(unit_normalise, features))
        if self.channel_scales is None:
            return features
        return tuple(one * scale for one, scale in zip(features, self.channel_scales, strict=True))

    def _feature_distance(self, found: Tensor, wanted: Tensor, visible: Tensor) -> Tensor:
        """LPIPS sums over channels (of unit vectors); unnormalised features are averaged over them."""
        distance = masked_mean((found - wanted).square(), visible)
        return distance * found.shape[1] if self.normalise_features else distance

    def _feature_visible(self, hole: Tensor) -> tuple[Tensor, ...]:
        """hole (B,1,h,h) of what VGG is shown -> per layer (B,1,h/stride,h/stride), 1 where features do not see it."""
        assert self.vgg is not None
        maps = []
        for layer in self.vgg.layers:
            radius = round(self.margin * reach(layer))
            grown = F.max_pool2d(hole, 2 * radius + 1, 1, radius) if radius else hole
            maps.append(1 - F.max_pool2d(grown, stride(layer)))
        return tuple(maps)


def proximity(visible: Tensor, scale: float) -> Tensor:
    """How much a visible pixel tells of the hole: 1 beside it, falling to FOCUS_FLOOR over `scale` pixels at 256.

    visible (B,1,H,W), 1 outside the hole -> (B,1,H,W); a Gaussian of the distance to the hole.
    """
    distance = depth(visible) * 256.0 / visible.shape[-1]
    return FOCUS_FLOOR + (1 - FOCUS_FLOOR) * torch.exp(-0.5 * (distance / scale).square())
