"""Picture -> logit."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unmask.generators.stylegan2.architecture import DiscriminatorArchitecture, block_resolutions
from unmask.generators.stylegan2.filters import downsample2d, resample_filter
from unmask.generators.stylegan2.layers import EPSILON, Convolution, FullyConnected
from unmask.generators.stylegan2.mapping import Mapping
from unmask.generators.stylegan2.synthesis import HALF_POWER

MAPPING_LAYERS = 8


def append_minibatch_deviation(x: Tensor, group_size: int | None, channels: int) -> Tensor:
    """How much the pictures of a group differ, as further channels (Karras et al. 2018, section 3).

    x (B,C,H,W) -> (B,C+channels,H,W); picture i is grouped with i + B/G, i + 2B/G, ... B must be a multiple of G, the
    smaller of `group_size` and B.
    """
    if channels == 0:
        return x
    batch, _, height, width = x.shape
    group = batch if group_size is None else min(group_size, batch)
    y = x.reshape(group, -1, channels, x.shape[1] // channels, height, width)
    y = ((y - y.mean(0)).square().mean(0) + EPSILON).sqrt().mean((2, 3, 4))
    y = y.reshape(-1, channels, 1, 1).repeat(group, 1, height, width)
    return torch.cat([x, y], 1)


class DiscriminatorBlock(nn.Module):
    """Two convolutions, the second to half the size."""

    resample_filter: Tensor

    def __init__(self, settings: DiscriminatorArchitecture, resolution: int) -> None:
        super().__init__()
        inner, outer = settings.channels(resolution), settings.channels(resolution // 2)
        clamp = settings.conv_clamp
        self.register_buffer("resample_filter", resample_filter())
        self.looks = resolution == settings.resolution or settings.architecture == "skip"
        self.passes_image = settings.architecture == "skip"
        if self.looks:
            self.fromrgb = Convolution(settings.img_channels, inner, 1, clamp=clamp)
        self.conv0 = Convolution(inner, inner, 3, clamp=clamp)
        self.conv1 = Convolution(inner, outer, 3, down=True, clamp=clamp)
        self.skip = None
        if settings.architecture == "resnet":
            self.skip = Convolution(inner, outer, 1, down=True, activated=False, bias=False)

    def forward(self, x: Tensor | None, image: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B,C,H,W) and picture -> features of half the size, and the picture (shrunk for skip)."""
        if self.looks:
            seen = self.fromrgb(image)
            x = seen if x is None else x + seen
            if self.passes_image:
                image = downsample2d(image, self.resample_filter)
        assert x is not None
        if self.skip is None:
            return self.conv1(self.conv0(x)), image
        shortcut = self.skip(x, gain=HALF_POWER)
        return shortcut + self.conv1(self.conv0(x), gain=HALF_POWER), image


class DiscriminatorEpilogue(nn.Module):
    """From 4 pixels to the logit."""

    def __init__(self, settings: DiscriminatorArchitecture, label_dim: int) -> None:
        super().__init__()
        channels, clamp = settings.channels(4), settings.conv_clamp
        self.group_size, self.deviations = settings.mbstd_group_size, settings.mbstd_num_channels
        self.fromrgb = None
        if settings.architecture == "skip":
            self.fromrgb = Convolution(settings.img_channels, channels, 1)
        self.conv = Convolution(channels + self.deviations, channels, 3, clamp=clamp)
        self.fc = FullyConnected(channels * 16, channels, activated=True)
        self.out = FullyConnected(channels, max(1, label_dim))

    def forward(self, x: Tensor, image: Tensor, label: Tensor | None) -> Tensor:
        """x (B,C,4,4), label (B,label_dim) -> (B,1)."""
        if self.fromrgb is not None:
            x = x + self.fromrgb(image)
        x = self.conv(append_minibatch_deviation(x, self.group_size, self.deviations))
        x = self.out(self.fc(x.flatten(1)))
        if label is None:
            return x
        return (x * label).sum(1, keepdim=True) / label.shape[1] ** 0.5


class Discriminator(nn.Module):
    """Blocks from the picture's resolution down to 8 pixels, then the epilogue."""

    def __init__(self, settings: DiscriminatorArchitecture) -> None:
        super().__init__()
        self.resolutions = tuple(reversed(block_resolutions(settings.resolution)))[:-1]
        for resolution in self.resolutions:
            self.add_module(f"b{resolution}", DiscriminatorBlock(settings, resolution))
        label_dim = settings.channels(4) if settings.c_dim > 0 else 0
        self.mapping = None
        if settings.c_dim > 0:
            self.mapping = Mapping(0, settings.c_dim, label_dim, MAPPING_LAYERS, w_avg_beta=None)
        self.b4 = DiscriminatorEpilogue(settings, label_dim)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """images (B,3,R,R) in [-1,1] -> logits (B,1), which depend on the batch through its deviation."""
        x, image = None, images
        for resolution in self.resolutions:
            x, image = self.get_submodule(f"b{resolution}")(x, image)
        label = None if self.mapping is None else self.mapping(None, labels)
        return self.b4(x, image, label)
