"""Discriminators that judge patches or pixels (Isola et al. 2017)."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn

from unmask.networks.kinds import Discriminator, Norm
from unmask.networks.normalisation import needs_bias, norm_layer

SLOPE = 0.2


@final
class PatchDiscriminator(nn.Module):
    """One number per patch; with 3 layers, patches of 70×70 pixels.

    Modules are named as in the reference program (junyanz/pytorch-CycleGAN-and-pix2pix).
    """

    def __init__(self, in_channels: int, *, ndf: int = 64, layers: int = 3, norm: Norm = Norm.batch) -> None:
        """`layers`: convolutions of stride 2; `ndf`: channels of the first."""
        super().__init__()
        bias = needs_bias(norm)
        modules: list[nn.Module] = [nn.Conv2d(in_channels, ndf, 4, stride=2, padding=1), nn.LeakyReLU(SLOPE)]
        channels = ndf
        for layer in range(1, layers + 1):
            width = ndf * min(2**layer, 8)
            stride = 2 if layer < layers else 1
            modules += [
                nn.Conv2d(channels, width, 4, stride=stride, padding=1, bias=bias),
                norm_layer(norm, width),
                nn.LeakyReLU(SLOPE),
            ]
            channels = width
        modules.append(nn.Conv2d(channels, 1, 4, padding=1))
        self.model = nn.Sequential(*modules)

    def forward(self, images: Tensor) -> Tensor:
        """(B,in_channels,H,W) -> (B,1,h,w) scores without bounds, higher for real; 30×30 of them at 256, 3 layers."""
        return self.model(images)


@final
class PixelDiscriminator(nn.Module):
    """One number per pixel, from its colour alone."""

    def __init__(self, in_channels: int, *, ndf: int = 64, norm: Norm = Norm.batch) -> None:
        super().__init__()
        bias = needs_bias(norm)
        self.net = nn.Sequential(
            nn.Conv2d(in_channels, ndf, 1),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(ndf, 2 * ndf, 1, bias=bias),
            norm_layer(norm, 2 * ndf),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(2 * ndf, 1, 1, bias=bias),
        )

    def forward(self, images: Tensor) -> Tensor:
        """(B,in_channels,H,W) -> (B,1,H,W) scores without bounds, higher for real."""
        return self.net(images)


def build_discriminator(kind: Discriminator, in_channels: int, *, ndf: int, layers: int, norm: Norm) -> nn.Module:
    """The wanted discriminator of pictures with `in_channels`; `layers` are the patch discriminator's."""
    if kind is Discriminator.pixel:
        return PixelDiscriminator(in_channels, ndf=ndf, norm=norm)
    return PatchDiscriminator(in_channels, ndf=ndf, layers=layers, norm=norm)
