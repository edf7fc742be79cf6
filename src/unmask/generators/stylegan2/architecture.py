"""What a StyleGAN2's tensors are shaped like: the settings that its checkpoints carry."""

from __future__ import annotations

from dataclasses import dataclass


def channels_at(resolution: int, channel_base: int, channel_max: int) -> int:
    """Feature channels at `resolution`: halved with every doubling, at most `channel_max`."""
    return min(channel_base // resolution, channel_max)


def block_resolutions(resolution: int) -> tuple[int, ...]:
    """4, 8, ... up to `resolution`, which is a power of two from 8 on."""
    assert resolution >= 8 and resolution & (resolution - 1) == 0, resolution
    return tuple(4 << i for i in range(resolution.bit_length() - 2))


@dataclass(frozen=True)
class GeneratorArchitecture:
    """A generator; names and defaults of stylegan2-ada-pytorch.

    Attributes:
        resolution: height and width of its pictures, in pixels.
        z_dim, w_dim: sizes of the latents.
        c_dim: size of the label; 0: unconditional.
        mapping_layers: fully connected layers from z to w.
        channel_base, channel_max: see `channels_at`.
        architecture: skip (every block adds to the picture), resnet or orig (only the last makes one).
        conv_clamp: activations are clamped to ±this; None: not at all.
        num_fp16_res: how many of the highest resolutions were trained in half precision; for the record only.
    """

    resolution: int
    z_dim: int = 512
    w_dim: int = 512
    c_dim: int = 0
    img_channels: int = 3
    mapping_layers: int = 8
    channel_base: int = 32768
    channel_max: int = 512
    architecture: str = "skip"
    conv_clamp: float | None = None
    num_fp16_res: int = 0

    def channels(self, resolution: int) -> int:
        """Feature channels of the block at `resolution`."""
        return channels_at(resolution, self.channel_base, self.channel_max)

    @property
    def num_ws(self) -> int:
        """How many w the synthesis takes: one per convolution, and one for the last block's picture."""
        return 2 * len(block_resolutions(self.resolution))
