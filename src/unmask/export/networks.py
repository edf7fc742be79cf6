"""What is exported: networks that take pictures and holes as they are, and nothing else."""

from __future__ import annotations

from copy import deepcopy
from typing import final

import torch
from torch import Tensor, nn

from unmask.config import Pix2PixInput
from unmask.export.expectation import ExpectedW
from unmask.export.resampling import Resampling
from unmask.generators.base import Generator
from unmask.methods.pix2pix import Pix2Pix
from unmask.occlusion.network import SIZE, OcclusionNetwork
from unmask.projection.encoder import LatentEncoder
from unmask.projection.regression import PictureModel


@final
class Pix2PixPictures(nn.Module):
    """`Pix2Pix.unmask`; the hole is None for a generator that is not shown it."""

    def __init__(self, method: Pix2Pix) -> None:
        super().__init__()
        self.config = method.config
        self.joined, self.seen = method.joined, method.seen
        self.unet = deepcopy(method.unet).eval()
        if method.config.picture_statistics:
            _use_own_statistics(self.unet)

    def forward(self, image: Tensor, hole: Tensor | None = None) -> Tensor:
        """image (B,3,H,W) in [-1,1], hole (B,1,H,W) -> (B,3,H,W) in [-1,1]."""
        if self.config.input is Pix2PixInput.masked:
            return self.unet(image).clamp(-1, 1)
        assert hole is not None
        return self.joined(self.unet(self.seen(image, hole)), image, hole).clamp(-1, 1)


@final
class OwnStatistics(nn.Module):
    """Batch norm as it is in training on a batch of one picture (`own_statistics`), for batches of any size."""

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        """(B,C,H,W) -> the same shape."""
        variance, mean = torch.var_mean(x, dim=(2, 3), correction=0, keepdim=True)
        scale, bias = self.norm.weight[:, None, None], self.norm.bias[:, None, None]
        return (x - mean) * torch.rsqrt(variance + self.norm.eps) * scale + bias


def _use_own_statistics(network: nn.Module) -> None:
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(parent, name, OwnStatistics(child))


@final
class EncodedPictures(nn.Module):
    """The encoder's w_plus, rendered: `StyleGANProjection.unmask` without a step.

    What is left out is the way of w_plus into the latent space and back, which changes nothing but rounding.
    """

    groups: Tensor

    def __init__(self, model: PictureModel, encoder: LatentEncoder, generator: Generator, ridge: float) -> None:
        super().__init__()
        self.expected = ExpectedW(model, generator.resolution, ridge)
        self.encoder = encoder
        self.generator = generator
        self.register_buffer("groups", encoder.group_of_layers()[: generator.num_active_ws])

    def forward(self, image: Tensor, hole: Tensor) -> Tensor:
        """image (B,3,H,W) in [-1,1], hole (B,1,H,W) -> (B,3,H,W) in [-1,1]."""
        visible = 1 - hole
        expected = self.expected(image, visible)
        w = expected[:, None] + self.encoder(image, visible) @ self.encoder.axes
        return self.generator.synthesize(w[:, self.groups]).clamp(-1, 1)


@final
class OcclusionProbability(nn.Module):
    """`unmask.occlusion.auto.probabilities` for pictures of one size."""

    def __init__(self, network: OcclusionNetwork, size: int) -> None:
        super().__init__()
        self.network = network
        self.shrink = Resampling(size, SIZE, "bicubic", antialias=True)
        self.grow = Resampling(SIZE, size, "bilinear", antialias=size < SIZE)
        self.same = size == SIZE

    def forward(self, image: Tensor) -> Tensor:
        """image (B,3,size,size) in [-1,1] -> (B,1,size,size) in [0,1]."""
        if self.same:
            return self.network(image).sigmoid()
        return self.grow(self.network(self.shrink(image).clamp(-1, 1))).sigmoid()
