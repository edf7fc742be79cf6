"""The normalisation layers and the initialisation that image-to-image networks share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unmask.networks.kinds import Norm

INITIAL_STD = 0.02
"""Standard deviation of fresh weights, and of batch norm's scales about 1 (Radford et al. 2016; Isola et al. 2017)."""


def norm_layer(kind: Norm, channels: int) -> nn.Module:
    """A layer for (B,channels,H,W): batch norm with scales and statistics, or instance norm without either."""
    if kind is Norm.batch:
        return nn.BatchNorm2d(channels)
    return InstanceNorm(channels)


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


@contextmanager
def own_statistics(network: nn.Module) -> Iterator[None]:
    """Let batch norm in evaluation mode use each batch's own statistics for a while; gathered ones stay as they are."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    gathered = [(buffer, buffer.clone()) for norm in norms for buffer in norm.buffers()]
    for norm in norms:
        norm.train()
    try:
        yield
    finally:
        for norm in norms:
            norm.eval()
        for buffer, before in gathered:
            buffer.copy_(before)


@final
class InstanceNorm(nn.InstanceNorm2d):
    """Every channel of every picture to mean 0 and variance 1, without scales or statistics (Ulyanov et al. 2016).

    PyTorch's own gives wrong gradients on CPUs for a single picture in channels_last (seen with 2.14). Besides, it
    leaves that layout, and the compiler cannot merge it with what is around it.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B,C,H,W) -> the same shape and precision; computed in fp32 at least."""
        wide = x if x.dtype is torch.float64 else x.float()
        if torch.compiler.is_compiling():
            variance, mean = torch.var_mean(wide, dim=(2, 3), correction=0, keepdim=True)
            return ((wide - mean) * torch.rsqrt(variance + self.eps)).to(x.dtype)
        return F.group_norm(wide, x.shape[1], eps=self.eps).to(x.dtype)
