"""What every reader makes of a checkpoint, and the checks that all of them share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from unmask.config import GeneratorNetwork
from unmask.errors import UnmaskError
from unmask.generators.stylegan2.architecture import GeneratorArchitecture, block_resolutions
from unmask.generators.stylegan2.filters import resample_filter
from unmask.generators.stylegan2.networks import Networks
from unmask.tensorfiles import Refusal, checked_weights
from unmask.weights.mismatch import mismatch

MAX_BYTES = 4 << 30
"""Of a file; the largest that were published have 0.4 GB."""
RESOLUTIONS = tuple(1 << power for power in range(3, 13))
MAX_FEATURES = 1 << 14
MAX_CHANNEL_BASE = 1 << 20
MAX_MAPPING_LAYERS = 64
ALWAYS_TRIED = 100_000_000
"""Networks of so many numbers are built to see whether a file's tensors fit; the largest published have 30 million."""
ARCHITECTURES = ("skip", "resnet", "orig")


@final
@dataclass(frozen=True)
class Source:
    """Where a generator comes from.

    Attributes:
        made_by: the program that trained it.
        network: which of the file's generators it is.
        file: the name of the file.
        remarks: what had to be made up for the file did not hold it, a sentence each.
    """

    made_by: str
    network: GeneratorNetwork
    file: str
    remarks: tuple[str, ...] = ()


@final
@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A generator: its shape, its tensors (float32, CPU) by the names of stylegan2-ada-pytorch, its origin."""

    settings: GeneratorArchitecture
    state: dict[str, Tensor]
    source: Source


def checked(checkpoint: Checkpoint, path: Path) -> Checkpoint:
    """The same, if its tensors are exactly those that its settings ask for.

    Raises:
        UnmaskError: they are not, the settings are beyond all reason, or it up-samples with another filter.
    """
    settings, state = checkpoint.settings, checkpoint.state
    if complaint := _beyond_reason(settings):
        raise UnmaskError(f"{path}: {complaint}.")
    held = sum(tensor.numel() for tensor in state.values())
    if _least_numbers(settings) > max(held, ALWAYS_TRIED):  # else a small file could ask for all memory there is
        raise UnmaskError(f"{path}: its {held:,} numbers are too few for the StyleGAN2 it claims to be.")
    try:
        checked_weights(state)
    except Refusal as refusal:
        raise UnmaskError(f"{path}: it holds {refusal}. The file is damaged, or a training that diverged.") from refusal
    if complaint := mismatch(state, Networks(settings).state_dict()):
        raise UnmaskError(f"{path}: its tensors are not those of the StyleGAN2 it claims to be: {complaint}.")
    for name, tensor in state.items():
        if name.endswith("resample_filter") and not torch.allclose(tensor, resample_filter(), atol=1e-4):
            raise UnmaskError(f"{path}: {name} is not the filter [1, 3, 3, 1], the only one supported.")
    return checkpoint


def _beyond_reason(settings: GeneratorArchitecture) -> str | None:
    if settings.resolution not in RESOLUTIONS:
        return f"pictures of {settings.resolution} pixels; powers of two from 8 to {RESOLUTIONS[-1]} can be made"
    if settings.img_channels != 3:
        return f"pictures of {settings.img_channels} channels; only RGB can be made"
    if settings.architecture not in ARCHITECTURES:
        return f"the architecture {settings.architecture!r}; there are {', '.join(ARCHITECTURES)}"
    counts = {
        "z_dim": (settings.z_dim, 1, MAX_FEATURES),
        "c_dim": (settings.c_dim, 0, MAX_FEATURES),
        "w_dim": (settings.w_dim, 1, MAX_FEATURES),
        "mapping_layers": (settings.mapping_layers, 1, MAX_MAPPING_LAYERS),
        "channel_base": (settings.channel_base, settings.resolution, MAX_CHANNEL_BASE),
        "channel_max": (settings.channel_max, 1, MAX_FEATURES),
    }
    for name, (value, low, high) in counts.items():
        if not low <= value <= high:
            return f"{name} is {value}, which is not from {low} to {high}"
    return None


def _least_numbers(settings: GeneratorArchitecture) -> int:
    """What the fully connected layers and 3×3 convolutions have without their biases."""
    width, layers = settings.w_dim, settings.mapping_layers
    total = (settings.z_dim + settings.c_dim + (layers - 1) * width) * width
    for resolution in block_resolutions(settings.resolution):
        channels, below = settings.channels(resolution), settings.channels(max(4, resolution // 2))
        total += 9 * channels * (channels if resolution == 4 else channels + below)
    return total


def as_weights(tensor: Tensor) -> Tensor:
    """A copy in float32 that shares memory with nothing."""
    return tensor.detach().to("cpu", torch.float32, copy=True).contiguous()
