"""The U-Net generator of pix2pix (Isola et al. 2017, after Ronneberger et al. 2015)."""

from __future__ import annotations

from collections import OrderedDict
from typing import final

import torch
from torch import Tensor, nn

from unmask.errors import UnmaskError
from unmask.networks.kinds import Norm
from unmask.networks.normalisation import needs_bias, norm_layer

MIN_DEPTH = 5
"""Levels that double or keep the channels differently: 1, 2, 4, 8, 8 times ngf."""


@final
class UNetGenerator(nn.Module):
    """Halves the picture `depth` times and doubles it again, with a skip connection at every size.

    Modules are named as in the reference program (junyanz/pytorch-CycleGAN-and-pix2pix), so its checkpoints load:
    each level holds the next deeper one.
    """

    def __init__(
        self,
        in_channels: int = 3,
        out_channels: int = 3,
        *,
        depth: int = 8,
        ngf: int = 64,
        norm: Norm = Norm.batch,
        dropout: bool = True,
    ) -> None:
        """`depth` 8 brings 256 pixels to 1; `dropout` (0.5) in the levels of 8·ngf channels but the innermost.

        Raises:
            UnmaskError: `depth` below 5.
        """
        super().__init__()
        if depth < MIN_DEPTH:
            raise UnmaskError(f"method.depth={depth}: a U-Net has at least {MIN_DEPTH} levels.")
        widths = [ngf * min(2**level, 8) for level in range(depth)]  # channels inside each level, outermost first
        inner = UNetLevel(widths[-2], widths[-1], None, norm)
        for level in range(depth - 2, 0, -1):
            inner = UNetLevel(widths[level - 1], widths[level], inner, norm, dropout=dropout and level >= MIN_DEPTH - 1)
        self.depth = depth
        # Not a `UNetLevel`: the outermost level has no skip connection, no norm, and ends in tanh.
        outermost = nn.Sequential(
            nn.Conv2d(in_channels, ngf, 4, stride=2, padding=1, bias=needs_bias(norm)),
            inner,
            nn.ReLU(),
            nn.ConvTranspose2d(2 * ngf, out_channels, 4, stride=2, padding=1),
            nn.Tanh(),
        )
        self.model = nn.Sequential(OrderedDict(model=outermost))

    def forward(self, images: Tensor) -> Tensor:
        """(B,in_channels,H,W) -> (B,out_channels,H,W) in [-1,1]; H and W are multiples of 2^depth."""
        return self.model(images)


@final
class UNetLevel(nn.Module):
    """Down, deeper, up, beside the input itself: (B,C,H,W) -> (B,2C,H,W)."""

    def __init__(
        self, channels: int, inner_channels: int, deeper: UNetLevel | None, norm: Norm, *, dropout: bool = False
    ) -> None:
        """`deeper` is None in the innermost level, which has no norm on its way down."""
        super().__init__()
        bias = needs_bias(norm)
        down = nn.Conv2d(channels, inner_channels, 4, stride=2, padding=1, bias=bias)
        layers: list[nn.Module] = [nn.LeakyReLU(0.2), down]
        if deeper is not None:
            layers += [norm_layer(norm, inner_channels), deeper]
        incoming = inner_channels if deeper is None else 2 * inner_channels
        layers += [
            nn.ReLU(),
            nn.ConvTranspose2d(incoming, channels, 4, stride=2, padding=1, bias=bias),
            norm_layer(norm, channels),
        ]
        if dropout:
            layers.append(nn.Dropout(0.5))
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.model(x)], 1)
