"""The residual generator of CycleGAN (Zhu et al. 2017, after Johnson et al. 2016)."""

from __future__ import annotations

from typing import final

from torch import Tensor, nn

from unmask.networks.kinds import Norm
from unmask.networks.normalisation import needs_bias, norm_layer

DOWNSAMPLINGS = 2


@final
class ResNetGenerator(nn.Module):
    """Two strided convolutions, residual blocks at a quarter of the size, two transposed convolutions.

    Modules are named as in the reference program (junyanz/pytorch-CycleGAN-and-pix2pix), so its checkpoints load.
    """

    def __init__(
        self, in_channels: int = 3, out_channels: int = 3, *, ngf: int = 64, blocks: int = 9, norm: Norm = Norm.instance
    ) -> None:
        """`ngf`: channels of the first convolution; `blocks`: 9 for 256 pixels, 6 for 128 in the paper."""
        super().__init__()
        bias = needs_bias(norm)
        layers: list[nn.Module] = [
            nn.ReflectionPad2d(3),
            nn.Conv2d(in_channels, ngf, 7, bias=bias),
            norm_layer(norm, ngf),
            nn.ReLU(),
        ]
        channels = ngf
        for _ in range(DOWNSAMPLINGS):
            layers += [
                nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1, bias=bias),
                norm_layer(norm, 2 * channels),
                nn.ReLU(),
            ]
            channels *= 2
        layers += [ResidualBlock(channels, norm) for _ in range(blocks)]
        for _ in range(DOWNSAMPLINGS):
            layers += [
                nn.ConvTranspose2d(channels, channels // 2, 3, stride=2, padding=1, output_padding=1, bias=bias),
                norm_layer(norm, channels // 2),
                nn.ReLU(),
            ]
            channels //= 2
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(ngf, out_channels, 7), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def forward(self, images: Tensor) -> Tensor:
        """(B,in_channels,H,W) -> (B,out_channels,H,W) in [-1,1]; H and W are multiples of 4."""
        return self.model(images)


@final
class ResidualBlock(nn.Module):
    """x + two 3×3 convolutions of x, with reflected borders."""

    def __init__(self, channels: int, norm: Norm) -> None:
        super().__init__()
        bias = needs_bias(norm)
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=bias),
            norm_layer(norm, channels),
            nn.ReLU(),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3, bias=bias),
            norm_layer(norm, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_block(x)
