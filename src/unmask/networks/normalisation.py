"""The normalisation layers and the initialisation that image-to-image networks share."""

from __future__ import annotations

from torch import nn

from unmask.config import Norm

INITIAL_STD = 0.02
"""Standard deviation of fresh weights, and of batch norm's scales about 1 (Radford et al. 2016; Isola et al. 2017)."""


def norm_layer(kind: Norm, channels: int) -> nn.Module:
    """A layer for (B,channels,H,W): batch norm with scales and statistics, or instance norm without either."""
    if kind is Norm.batch:
        return nn.BatchNorm2d(channels)
    return nn.InstanceNorm2d(channels)


def needs_bias(kind: Norm) -> bool:
    """Whether the convolution before the layer has a bias; batch norm brings its own."""
    return kind is not Norm.batch


def initialise(network: nn.Module) -> None:
    """Fresh weights: N(0, 0.02²) for convolutions, N(1, 0.02²) for batch norm's scales, zero for every bias.

    Draws from torch's global generator.
    """
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.normal_(module.weight, 0.0, INITIAL_STD)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, INITIAL_STD)
            nn.init.zeros_(module.bias)
