"""The layers of StyleGAN2. Parameters have the names and scales of stylegan2-ada-pytorch, so its tensors load as they
are: weights are kept with unit variance and scaled at run time (the equalised learning rate of Karras et al. 2018).

A style scales the activations that enter a convolution, and demodulation those that leave it, which is the same as
modulated weights (Karras et al. 2020, equations 1 to 3) without a tensor of weights per picture.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unmask.generators.stylegan2.filters import (
    TAPS_GAIN,
    resample_filter,
    smooth_transposed,
    upsample2d,
)

SLOPE = 0.2
"""Of LeakyReLU."""
LRELU_GAIN = math.sqrt(2.0)
"""LeakyReLU's output is multiplied with it, to keep the variance."""
EPSILON = 1e-8


def normalise_second_moment(x: Tensor) -> Tensor:
    """Scale every row of (B,D) to a mean square of one."""
    return x * (x.square().mean(1, keepdim=True) + EPSILON).rsqrt()


def activate(x: Tensor, *, gain: float = 1.0, clamp: float | None = None) -> Tensor:
    """LeakyReLU with its gain times `gain`, then clamped to ±`clamp`·`gain`."""
    x = F.leaky_relu(x, SLOPE) * (LRELU_GAIN * gain)
    return x if clamp is None else x.clamp(-clamp * gain, clamp * gain)


class FullyConnected(nn.Module):
    """Affine, then LeakyReLU if `activated`."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        activated: bool = False,
        bias_init: float = 0.0,
        lr_multiplier: float = 1.0,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr_multiplier)
        self.bias = nn.Parameter(torch.full((out_features,), bias_init))
        self.activated = activated
        self.weight_gain = lr_multiplier / math.sqrt(in_features)
        self.bias_gain = lr_multiplier

    def forward(self, x: Tensor) -> Tensor:
        """(B,in) -> (B,out)."""
        x = F.linear(x, self.weight * self.weight_gain, self.bias * self.bias_gain)
        return activate(x) if self.activated else x


class Shortcut(nn.Module):
    """Plain 1×1 convolution to twice the size, around a residual block."""

    resample_filter: Tensor

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 1, 1))
        self.register_buffer("resample_filter", resample_filter())
        self.weight_gain = 1 / math.sqrt(in_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B,in,H,W) -> (B,out,2H,2W)."""
        return upsample2d(F.conv2d(x, (self.weight * self.weight_gain).to(x.dtype)), self.resample_filter)


class SynthesisLayer(nn.Module):
    """Modulated 3×3 convolution, which may double the size; noise, bias, LeakyReLU.

    `freeze` keeps what depends on the weights alone ready for every later call.
    """

    noise_const: Tensor
    resample_filter: Tensor
    kernel: Tensor | None
    energy: Tensor | None

    def __init__(
        self, in_channels: int, out_channels: int, w_dim: int, resolution: int, *, up: bool, clamp: float | None
    ) -> None:
        super().__init__()
        self.up, self.clamp = up, clamp
        self.affine = FullyConnected(w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.noise_strength = nn.Parameter(torch.zeros([]))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))
        self.register_buffer("resample_filter", resample_filter())
        self.register_buffer("kernel", None, persistent=False)
        self.register_buffer("energy", None, persistent=False)

    def prepared(self, dtype: torch.dtype | None) -> tuple[Tensor, Tensor]:
        """The convolution's kernel as it is called with, and the weights' squares summed over it (out,in)."""
        if self.kernel is not None and self.energy is not None:
            return self.kernel, self.energy
        kernel = (self.weight * TAPS_GAIN).transpose(0, 1) if self.up else self.weight
        return kernel.to(dtype or kernel.dtype), self.weight.square().sum((2, 3))

    def freeze(self, dtype: torch.dtype | None) -> None:
        """From now on compute with the weights of this moment, in `dtype` if one is given."""
        self.requires_grad_(False)
        self.thaw()
        kernel, energy = self.prepared(dtype)
        self.kernel = kernel.contiguous(memory_format=torch.channels_last)
        self.energy = energy

    def thaw(self) -> None:
        """From now on compute with the weights as they are at each call."""
        self.kernel = self.energy = None

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None, gain: float = 1.0) -> Tensor:
        """x (B,in,H,W), w (B,w_dim), noise (1 or B,1,h,w) -> (B,out,h,w), in the type of x."""
        kernel, energy = self.prepared(x.dtype)
        styles = self.affine(w)
        demodulation = (styles.square() @ energy.T + EPSILON).rsqrt()
        x = x * styles.to(x.dtype)[:, :, None, None]
        x = smooth_transposed(F.conv_transpose2d(x, kernel, stride=2)) if self.up else F.conv2d(x, kernel, padding=1)
        offset = self.bias[:, None, None]
        if noise is not None:
            offset = offset + noise * self.noise_strength
        x = torch.addcmul(offset.to(x.dtype), x, demodulation.to(x.dtype)[:, :, None, None])
        return activate(x, gain=gain, clamp=self.clamp)


class ToRGB(nn.Module):
    """Modulated 1×1 convolution without demodulation, to the picture's channels."""

    def __init__(self, in_channels: int, img_channels: int, w_dim: int, *, clamp: float | None) -> None:
        super().__init__()
        self.affine = FullyConnected(w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(img_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(img_channels))
        self.clamp = clamp
        self.weight_gain = 1 / math.sqrt(in_channels)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """x (B,in,H,W), w (B,w_dim) -> (B,img_channels,H,W) in the type of w."""
        styles = self.affine(w) * self.weight_gain
        x = F.conv2d(x * styles.to(x.dtype)[:, :, None, None], self.weight.to(x.dtype)).to(w.dtype)
        x = x + self.bias[:, None, None]
        return x if self.clamp is None else x.clamp(-self.clamp, self.clamp)
