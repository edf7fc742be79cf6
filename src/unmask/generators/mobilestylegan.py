"""MobileStyleGAN: a small FFHQ prior distilled from NVIDIA's StyleGAN2, in plain torch.

Belousov 2021, "MobileStyleGAN: A Lightweight Convolutional Neural Network for High-Fidelity Image Synthesis",
arXiv:2104.04767. The structure here follows the published OpenVINO graph of the 1024² network: a constant 4² input,
one 3×3 convolution, then seven blocks that each double the size with an inverse Haar wavelet transform and apply two
modulated depthwise-separable convolutions; a last wavelet step turns twelve channels into the picture. Noise is fixed
in the graph, and nothing is demodulated at run time.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unmask import weights
from unmask.config import MobileStyleGANConfig
from unmask.errors import UnmaskError
from unmask.generators.base import Generator, borrowed
from unmask.generators.heads import HEAD_BLOCKS, StyledHead, head_resolution, load_head
from unmask.tensorfiles import UNREADABLE, read_safetensors

LEAKY_SLOPE = 0.2
PICTURE_MODEL_PATH = Path(__file__).with_name("mobilestylegan_picture_model.safetensors")
"""The linear model of its pictures that ships with the package; made by scripts/fit_picture_model.py."""
ENCODER_PATH = Path(__file__).with_name("mobilestylegan_encoder.safetensors")
"""The encoder into its w_plus that ships with the package; made by scripts/train_encoder.py."""
CONTROLS_PATH = Path(__file__).with_name("mobilestylegan_controls.safetensors")
"""The directions of its w that ship with the package; made by scripts/fit_controls.py."""
BLOCK_CHANNELS = (512, 512, 512, 512, 256, 128, 64)
"""Channels of the blocks at 8, 16, ..., 512 pixels."""


def inverse_haar(x: Tensor) -> Tensor:
    """Inverse orthonormal Haar wavelet transform, (B,4C,H,W) -> (B,C,2H,2W).

    The first C channels are the low-pass band; the rest is (C,3): vertical, horizontal and diagonal detail.
    """
    channels = x.shape[1] // 4
    low = x[:, :channels]
    detail = x[:, channels:].unflatten(1, (channels, 3))
    vertical, horizontal, diagonal = detail.unbind(2)
    low_plus, low_minus = low + vertical, low - vertical
    high_plus, high_minus = horizontal + diagonal, horizontal - diagonal
    quads = (low_plus + high_plus, low_plus - high_plus, low_minus + high_minus, low_minus - high_minus)
    return F.pixel_shuffle(0.5 * torch.stack(quads, 2).flatten(1, 2), 2)


class StyledScale(nn.Module):
    """Multiply the channels by a style that is affine in w."""

    def __init__(self, w_dim: int, channels: int) -> None:
        super().__init__()
        self.style = nn.Linear(w_dim, channels)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """x (B,C,H,W), w (B,w_dim) -> (B,C,H,W)."""
        return x * self.style(w).to(x.dtype)[:, :, None, None]


class SeparableConv(StyledScale):
    """Styled depthwise 3×3, pointwise 1×1, fixed noise, bias, LeakyReLU."""

    noise: Tensor

    def __init__(self, w_dim: int, channels: int, out_channels: int, size: int) -> None:
        super().__init__(w_dim, channels)
        self.depthwise = nn.Parameter(torch.empty(channels, 1, 3, 3))
        self.pointwise = nn.Parameter(torch.empty(out_channels, channels, 1, 1))
        self.bias = nn.Parameter(torch.empty(out_channels))
        self.register_buffer("noise", torch.empty(1, 1, size, size))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """x (B,C,H,W), w (B,w_dim) -> (B,out,H,W)."""
        x = F.conv2d(super().forward(x, w), self.depthwise.to(x.dtype), padding=1, groups=x.shape[1])
        x = F.conv2d(x, self.pointwise.to(x.dtype), self.bias.to(x.dtype))
        return F.leaky_relu(x + self.noise.to(x.dtype), LEAKY_SLOPE)


class Block(nn.Module):
    """Wavelet up-sampling, then two separable convolutions; takes three w."""

    def __init__(self, w_dim: int, channels_in: int, channels: int, size: int) -> None:
        super().__init__()
        self.up = StyledScale(w_dim, channels_in)
        self.conv1 = SeparableConv(w_dim, channels_in // 4, channels, size)
        self.conv2 = SeparableConv(w_dim, channels, channels, size)

    def forward(self, x: Tensor, ws: Tensor) -> Tensor:
        """x (B,C,H,W), ws (B,3,w_dim) -> (B,channels,2H,2W)."""
        x = inverse_haar(self.up(x, ws[:, 0]))
        return self.conv2(self.conv1(x, ws[:, 1]), ws[:, 2])


class FirstConv(StyledScale):
    """The only full 3×3 convolution, at 4 pixels."""

    noise: Tensor

    def __init__(self, w_dim: int, channels: int) -> None:
        super().__init__(w_dim, channels)
        self.weight = nn.Parameter(torch.empty(channels, channels, 3, 3))
        self.bias = nn.Parameter(torch.empty(channels))
        self.register_buffer("noise", torch.empty(1, 1, 4, 4))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """x (B or 1,C,4,4), w (B,w_dim) -> (B,C,4,4)."""
        x = F.conv2d(super().forward(x, w), self.weight.to(x.dtype), self.bias.to(x.dtype), padding=1)
        return F.leaky_relu(x + self.noise.to(x.dtype), LEAKY_SLOPE)


class ToImage(StyledScale):
    """Styled 1×1 convolution to twelve channels, then one wavelet step to RGB."""

    def __init__(self, w_dim: int, channels: int) -> None:
        super().__init__(w_dim, channels)
        self.weight = nn.Parameter(torch.empty(12, channels, 1, 1))
        self.bias = nn.Parameter(torch.empty(12))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """x (B,C,H,W), w (B,w_dim) -> RGB (B,3,2H,2W)."""
        x = F.conv2d(super().forward(x, w), self.weight.to(x.dtype), self.bias.to(x.dtype))
        return inverse_haar(x.to(w.dtype))


class Synthesis(nn.Module):
    """w_plus -> features and pictures; style inputs in order: conv1, seven times (up, conv1, conv2), to_img."""

    def __init__(self, w_dim: int = 512) -> None:
        super().__init__()
        self.const = nn.Parameter(torch.empty(1, 512, 4, 4))
        self.conv1 = FirstConv(w_dim, 512)
        channels_in = (512, *BLOCK_CHANNELS)
        self.layers = nn.ModuleList(
            Block(w_dim, channels_in[i], channels, 8 << i) for i, channels in enumerate(BLOCK_CHANNELS)
        )
        self.to_img = ToImage(w_dim, BLOCK_CHANNELS[-1])

    def block(self, index: int) -> Block:
        """The block at 8·2^index pixels."""
        block = self.layers[index]
        assert isinstance(block, Block)
        return block

    def features(self, w_plus: Tensor, blocks: int, dtype: torch.dtype | None = None) -> Tensor:
        """w_plus (B,≥1+3·blocks,w_dim) -> the output of the last of the first `blocks` blocks, at 4·2^blocks pixels.

        Convolutions are computed in `dtype`, or in that of the weights.
        """
        x = self.conv1(self.const.to(dtype or w_plus.dtype), w_plus[:, 0])
        for i in range(blocks):
            x = self.layers[i](x, w_plus[:, 1 + 3 * i : 4 + 3 * i])
        return x

    def forward(self, w_plus: Tensor) -> Tensor:
        """w_plus (B,23,w_dim) -> RGB (B,3,1024,1024)."""
        blocks = len(self.layers)
        return self.to_img(self.features(w_plus, blocks), w_plus[:, 3 * blocks + 1])


class Mapping(nn.Module):
    """z -> w: the latent's second moment is normalised, then eight layers with LeakyReLU and a fixed gain."""

    gain: Tensor

    def __init__(self, dim: int = 512, layers: int = 8) -> None:
        super().__init__()
        for index in range(layers):
            self.add_module(str(index), nn.Linear(dim, dim))
        self.register_buffer("gain", torch.tensor(2.0**0.5))

    def forward(self, z: Tensor) -> Tensor:
        """z (B,dim) -> w (B,dim)."""
        x = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
        for layer in self.children():
            x = F.leaky_relu(layer(x), LEAKY_SLOPE) * self.gain
        return x


def load_networks(checkpoint: Path | None) -> tuple[Mapping, Synthesis]:
    """The frozen mapping and synthesis networks, from `checkpoint` (safetensors) or the artifact of `unmask.weights`.

    Raises:
        UnmaskError: the file cannot be fetched, read, or holds other tensors.
    """
    try:
        tensors = weights.load("mobilestylegan-ffhq") if checkpoint is None else read_safetensors(checkpoint)[0]
        networks = nn.ModuleDict({"mapping": Mapping(), "synthesis": Synthesis()})
        networks.load_state_dict(tensors)
    except (*UNREADABLE, RuntimeError) as error:
        name = checkpoint or "mobilestylegan-ffhq"
        raise UnmaskError(
            f"{name}: not MobileStyleGAN weights ({error}); generator.checkpoint=null takes those of unmask.weights."
        ) from error
    networks.requires_grad_(False).eval()
    mapping, synthesis = networks["mapping"], networks["synthesis"]
    assert isinstance(mapping, Mapping) and isinstance(synthesis, Synthesis)
    return mapping, synthesis


class MobileStyleGAN(Generator):
    """The face prior at 128 or 256 pixels through a fitted head, or at its own 1024.

    With a head, `synthesize` runs only the first blocks (`num_active_ws` styles); `synthesize_full` always renders
    1024 from the same w_plus.
    """

    z_dim = 512
    w_dim = 512
    full_resolution = 1024

    def __init__(
        self, mapping: Mapping, synthesis: Synthesis, head: StyledHead | None, *, shipped_weights: bool = True
    ) -> None:
        """`shipped_weights`: these are the networks that the shipped models of its pictures were fitted to."""
        super().__init__()
        self.mapping = mapping
        self.synthesis = synthesis
        self.head = head
        self.num_ws = 3 * len(synthesis.layers) + 2
        self.resolution = self.full_resolution if head is None else head_resolution(head)
        self._shipped_weights = shipped_weights
        self._dtype: torch.dtype | None = None
        self.requires_grad_(False).eval()

    @classmethod
    def build(cls, config: MobileStyleGANConfig, resolution: int) -> MobileStyleGAN:
        """Load the networks, and the head for `resolution` unless that is 1024."""
        mapping, synthesis = load_networks(None if config.checkpoint is None else Path(config.checkpoint))
        heads = None if config.heads is None else Path(config.heads)
        head = None if resolution == cls.full_resolution else load_head(resolution, heads)
        made = cls(mapping, synthesis, head, shipped_weights=config.checkpoint is None)
        return made.to(memory_format=torch.channels_last)

    @property
    def num_active_ws(self) -> int:
        """One for conv1, three a block, one for the head (or to_img)."""
        return self.num_ws if self.head is None else 3 * HEAD_BLOCKS[self.resolution] + 2

    @property
    def noise_maps(self) -> tuple[Tensor, ...]:
        """None: the distilled network's noise is fixed."""
        return ()

    @property
    def picture_model_path(self) -> Path | None:
        """The shipped one, unless other weights were loaded."""
        return PICTURE_MODEL_PATH if self._shipped_weights else None

    @property
    def encoder_path(self) -> Path | None:
        """The shipped one, unless other weights were loaded."""
        return ENCODER_PATH if self._shipped_weights else None

    @property
    def controls_path(self) -> Path | None:
        """The shipped one, unless other weights were loaded."""
        return CONTROLS_PATH if self._shipped_weights else None

    def compute_in(self, dtype: torch.dtype | None) -> None:
        """See `Generator.compute_in`; the head and the 1024² render stay in fp32."""
        self._dtype = dtype

    def tunable(self) -> AbstractContextManager[tuple[nn.Parameter, ...]]:
        """See `Generator.tunable`: everything before the head."""
        blocks = len(self.synthesis.layers) if self.head is None else HEAD_BLOCKS[self.resolution]
        parts = (self.synthesis.conv1, *self.synthesis.layers[:blocks])
        return borrowed([self.synthesis.const, *(one for part in parts for one in part.parameters())])

    def map(self, z: Tensor) -> Tensor:
        """z (B,512) -> w (B,512)."""
        return self.mapping(z)

    def synthesize(self, w_plus: Tensor, noise: tuple[Tensor, ...] | None = None) -> Tensor:
        """w_plus (B,≥num_active_ws,512) -> RGB (B,3,resolution,resolution)."""
        assert not noise, "MobileStyleGAN has no noise inputs"
        if self.head is None:
            return self.synthesis(w_plus)
        blocks = HEAD_BLOCKS[self.resolution]
        features = self.synthesis.features(w_plus, blocks, self._dtype).to(w_plus.dtype)
        return inverse_haar(self.head(features, w_plus[:, 3 * blocks + 1]))

    def synthesize_full(self, w_plus: Tensor, noise: tuple[Tensor, ...] | None = None) -> Tensor:
        """w_plus (B,23,512) -> RGB (B,3,1024,1024)."""
        return self.synthesis(w_plus)
