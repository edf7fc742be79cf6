"""w_plus -> picture."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unmask.config import NoiseMode
from unmask.generators.stylegan2.architecture import GeneratorArchitecture, block_resolutions
from unmask.generators.stylegan2.filters import resample_filter, upsample2d
from unmask.generators.stylegan2.layers import Shortcut, SynthesisLayer, ToRGB

HALF_POWER = 0.5**0.5
"""Both branches of a residual block are scaled by it."""

NoisePerLayer = tuple[Tensor | None, ...]


class SynthesisBlock(nn.Module):
    """Everything at one resolution: up-sampling convolution (none at 4 pixels), convolution, picture.

    Attributes:
        num_conv: how many convolutions there are, each with a w of its own.
    """

    resample_filter: Tensor

    def __init__(self, settings: GeneratorArchitecture, resolution: int) -> None:
        super().__init__()
        first, last = resolution == 4, resolution == settings.resolution
        channels, w_dim, clamp = settings.channels(resolution), settings.w_dim, settings.conv_clamp
        self.register_buffer("resample_filter", resample_filter())
        self.num_conv = 1 if first else 2
        if first:
            self.const = nn.Parameter(torch.randn(channels, 4, 4))
        else:
            below = settings.channels(resolution // 2)
            self.conv0 = SynthesisLayer(below, channels, w_dim, resolution, up=True, clamp=clamp)
        self.conv1 = SynthesisLayer(channels, channels, w_dim, resolution, up=False, clamp=clamp)
        self.torgb = None
        if last or settings.architecture == "skip":
            self.torgb = ToRGB(channels, settings.img_channels, w_dim, clamp=clamp)
        self.skip = None
        if not first and settings.architecture == "resnet":
            self.skip = Shortcut(below, channels)

    def layers(self) -> tuple[SynthesisLayer, ...]:
        """Its convolutions in order."""
        return (self.conv1,) if self.num_conv == 1 else (self.conv0, self.conv1)

    def forward(
        self, x: Tensor | None, image: Tensor | None, ws: Tensor, noise: NoisePerLayer, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor | None]:
        """Features and picture of the block below -> those of this one.

        Args:
            x: (B,C,H,W) in `dtype`, None at 4 pixels; image: (B,img_channels,H,W) in the type of ws, or None.
            ws: (B,num_conv + 1,w_dim), the last for the picture.
            noise: a map (1 or B,1,h,w) or None for each of its convolutions.
        """
        if x is None:
            x = self.const.to(dtype).expand(len(ws), -1, -1, -1).contiguous(memory_format=torch.channels_last)
            x = self.conv1(x, ws[:, 0], noise[0])
        elif self.skip is not None:
            shortcut = self.skip(x) * HALF_POWER
            x = self.conv0(x, ws[:, 0], noise[0])
            x = shortcut + self.conv1(x, ws[:, 1], noise[1], gain=HALF_POWER)
        else:
            x = self.conv0(x, ws[:, 0], noise[0])
            x = self.conv1(x, ws[:, 1], noise[1])
        if image is not None:
            image = upsample2d(image, self.resample_filter)
        if self.torgb is not None:
            made = self.torgb(x, ws[:, self.num_conv])
            image = made if image is None else image + made
        return x, image


class Synthesis(nn.Module):
    """Blocks from 4 pixels up to the picture's resolution."""

    def __init__(self, settings: GeneratorArchitecture) -> None:
        super().__init__()
        self.num_ws = settings.num_ws
        self.resolutions = block_resolutions(settings.resolution)
        for resolution in self.resolutions:
            self.add_module(f"b{resolution}", SynthesisBlock(settings, resolution))

    def blocks(self) -> tuple[SynthesisBlock, ...]:
        """From coarse to fine."""
        blocks = []
        for resolution in self.resolutions:
            block = self.get_submodule(f"b{resolution}")
            assert isinstance(block, SynthesisBlock)
            blocks.append(block)
        return tuple(blocks)

    def layers(self) -> tuple[SynthesisLayer, ...]:
        """All modulated 3×3 convolutions, from coarse to fine: those that take noise."""
        return tuple(layer for block in self.blocks() for layer in block.layers())

    @property
    def dtype(self) -> torch.dtype:
        """What the convolutions are computed in."""
        layer = self.layers()[0]
        return layer.weight.dtype if layer.kernel is None else layer.kernel.dtype

    def noise_maps(self) -> tuple[Tensor, ...]:
        """The constant noise of every layer, (1,1,h,w) each."""
        return tuple(layer.noise_const[None, None] for layer in self.layers())

    def freeze(self, dtype: torch.dtype | None = None) -> None:
        """Hold all weights, and run the convolutions in `dtype` if one is given.

        Latents, styles and the picture stay as they are.
        """
        self.requires_grad_(False)
        for layer in self.layers():
            layer.freeze(dtype)

    def thaw(self) -> None:
        """The contrary of `freeze`: from now on compute with the weights as they are, in their own type."""
        for layer in self.layers():
            layer.thaw()

    def forward(
        self, ws: Tensor, noise: tuple[Tensor, ...] | None = None, noise_mode: NoiseMode = NoiseMode.const
    ) -> Tensor:
        """ws (B,num_ws,w_dim) -> pictures (B,img_channels,R,R) in the type of ws, nominally in [-1,1], not clamped.

        Args:
            noise: maps instead of those of `noise_mode`, one (1 or B,1,h,w) per layer.
            noise_mode: const: `noise_maps`; random: fresh for every picture; none.
        """
        assert ws.shape[1] == self.num_ws, (tuple(ws.shape), self.num_ws)
        maps = self._noise(ws, noise_mode) if noise is None else noise
        dtype = self.dtype
        x, image, first = None, None, 0
        for block in self.blocks():
            last = first + block.num_conv
            x, image = block(x, image, ws[:, first : last + 1], maps[first:last], dtype)
            first = last
        assert image is not None
        return image

    def _noise(self, ws: Tensor, mode: NoiseMode) -> NoisePerLayer:
        constant = self.noise_maps()
        if mode is NoiseMode.const:
            return constant
        if mode is NoiseMode.none:
            return (None,) * len(constant)
        return tuple(torch.randn(len(ws), *one.shape[1:], device=ws.device) for one in constant)
