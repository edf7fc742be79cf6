"""The perceptual distance of a projection: VGG-16 features of what is visible, compared near the hole."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from unmask.images import shrink
from unmask.kinds import Shrink
from unmask.losses import masked_mean, unit_normalise
from unmask.networks.vgg import VGG16Features, reach, stride
from unmask.networks.windows import places, take


@dataclass(frozen=True)
class Looks:
    """What the features of a batch of pictures are to be, and where that counts.

    Attributes:
        features: per VGG layer (B,C,h,w).
        visible: per VGG layer (B,1,h,w), how much features count.
        window: (B,h,h) pixels of the shrunken picture that VGG is shown, see `unmask.networks.windows.places`; None for
            all of it.
    """

    features: tuple[Tensor, ...]
    visible: tuple[Tensor, ...]
    window: Tensor | None = None


@dataclass(frozen=True)
class PerceptualDistance:
    """How pictures are compared by VGG-16 features; holds nothing of a batch.

    Attributes:
        resolution: pictures are shrunk to this before VGG.
        normalise: unit-normalise feature vectors (LPIPS) or compare them as they are.
        margin: grow the hole at each feature scale by this share of the layer's reach, since features beside the hole
            see into it.
        shrink: how pictures are shrunk before VGG.
        channel_scales: per VGG layer (C,1,1), what the differences of its channels are multiplied with before they are
            squared; None: nothing.
        window: VGG is shown a window around the hole with this share of the picture's side; 1: the whole picture.
    """

    vgg: VGG16Features
    resolution: int
    normalise: bool
    margin: float
    shrink: Shrink = Shrink.bicubic
    channel_scales: tuple[Tensor, ...] | None = None
    window: float = 1.0

    @torch.no_grad()
    def looks(self, filled: Tensor, visible: Tensor, near: Tensor) -> Looks:
        """What pictures are to look like.

        Args:
            filled: (B,3,H,W) in [-1,1], the hole filled with something plausible, where features look into it.
            visible: (B,1,H,W), 0 in the hole.
            near: (B,1,H,W), how much pixels count.
        """
        hole = F.adaptive_max_pool2d(1 - visible, min(self.resolution, visible.shape[-1]))
        window = None
        if self.window < 1:
            window = places(hole, self.window)
            hole, near = take(hole, window), take(F.adaptive_avg_pool2d(near, hole.shape[-1]), window)
        weights = tuple(one * F.adaptive_avg_pool2d(near, one.shape[-1]) for one in self._unaffected(hole))
        return Looks(self._features(filled, window), weights, window)

    def distance(self, images: Tensor, wanted: Looks) -> Tensor:
        """images (B,3,H,W) in [-1,1] -> (B,), summed over layers."""
        triples = zip(self._features(images, wanted.window), wanted.features, wanted.visible, strict=True)
        return torch.stack([self._between(*each) for each in triples]).sum(0)

    def _features(self, images: Tensor, window: Tensor | None) -> tuple[Tensor, ...]:
        small = shrink(images, min(self.resolution, images.shape[-1]), self.shrink)
        features = self.vgg(small if window is None else take(small, window))
        if self.normalise:
            features = tuple(map(unit_normalise, features))
        if self.channel_scales is None:
            return features
        return tuple(one * scale for one, scale in zip(features, self.channel_scales, strict=True))

    def _between(self, found: Tensor, wanted: Tensor, visible: Tensor) -> Tensor:
        """LPIPS sums over channels (of unit vectors); unnormalised features are averaged over them."""
        distance = masked_mean((found - wanted).square(), visible)
        return distance * found.shape[1] if self.normalise else distance

    def _unaffected(self, hole: Tensor) -> tuple[Tensor, ...]:
        """hole (B,1,h,h) of what VGG is shown -> per layer (B,1,h/stride,h/stride), 1 where features do not see it."""
        maps = []
        for layer in self.vgg.layers:
            radius = round(self.margin * reach(layer))
            grown = F.max_pool2d(hole, 2 * radius + 1, 1, radius) if radius else hole
            maps.append(1 - F.max_pool2d(grown, stride(layer)))
        return tuple(maps)
