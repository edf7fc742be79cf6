"""The discriminators that methods' settings ask for."""

from __future__ import annotations

from torch import nn

from unmask.config import GANConfig
from unmask.networks.discriminators import build_discriminator


def build_critic(config: GANConfig, in_channels: int) -> nn.Module:
    """A discriminator of pictures with `in_channels`, its weights fresh from torch's global generator."""
    return build_discriminator(
        config.discriminator,
        in_channels,
        ndf=config.ndf,
        layers=config.discriminator_layers,
        norm=config.norm,
    )
