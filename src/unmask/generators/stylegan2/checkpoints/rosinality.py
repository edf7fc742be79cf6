"""Generators in the checkpoints of rosinality/stylegan2-pytorch: those of its training, and conversions by its script.

They hold NVlabs' numbers under other names. What they do not hold is made up: the average of w is taken over 10,000
samples, and noise maps are drawn; both are the same at every call.
"""

from __future__ import annotations

import argparse
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unmask.config import GeneratorNetwork
from unmask.errors import UnmaskError
from unmask.generators.stylegan2.architecture import GeneratorArchitecture, block_resolutions
from unmask.generators.stylegan2.checkpoints.checkpoint import RESOLUTIONS, Checkpoint, Source, as_weights, checked
from unmask.generators.stylegan2.filters import resample_filter
from unmask.generators.stylegan2.networks import Networks

PROGRAM = "rosinality/stylegan2-pytorch"
KEYS = {GeneratorNetwork.g_ema: "g_ema", GeneratorNetwork.g: "g"}
AVERAGE_SAMPLES = 10_000
SEED = 0
UP_GAIN = 4.0
"""Its kernels carry the gain of up-sampling, NVlabs' filters do not."""


def read_rosinality(path: Path, network: GeneratorNetwork) -> Checkpoint:
    """The generator in a file of torch.save, in either of torch's formats.

    Raises:
        UnmaskError: the file is damaged, holds more than tensors and plain values, or no such StyleGAN2.
    """
    content = _load(path)
    key = KEYS[network]
    state = content.get(key) if isinstance(content, Mapping) else None
    if not _is_state(state):
        held = ", ".join(sorted(map(str, content))[:8]) if isinstance(content, Mapping) else type(content).__name__
        raise UnmaskError(
            f"{path}: holds no {key}, but {held}; no checkpoint of {PROGRAM}, or one without this network "
            "(generator.network=g_ema takes g_ema, generator.network=g takes g)."
        )
    assert isinstance(state, Mapping)
    tensors = {name: as_weights(tensor) for name, tensor in state.items()}
    settings = _settings(tensors, path)
    _check_kernels(tensors, path)
    renamed = _renamed(tensors, settings)
    remarks = []
    if _add_noise(renamed, settings):
        remarks.append("The file holds no noise maps; they were drawn.")
    average = content.get("latent_avg")
    if isinstance(average, Tensor):
        renamed["mapping.w_avg"] = as_weights(average).reshape(-1)
    else:
        renamed["mapping.w_avg"] = torch.zeros(settings.w_dim)  # a placeholder, so that all shapes can be checked
        remarks.append(f"The file holds no latent_avg; w was averaged over {AVERAGE_SAMPLES:,} samples.")
    checkpoint = checked(Checkpoint(settings, renamed, Source(PROGRAM, network, path.name, tuple(remarks))), path)
    if not isinstance(average, Tensor):
        renamed["mapping.w_avg"] = _average(settings, renamed)
    return checkpoint


def _load(path: Path) -> Any:
    try:
        # Newer files keep the training's options, in a class that is a bag of attributes.
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        asked = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f"asks for {asked[1]}" if asked else "holds more than tensors and plain values"
        raise UnmaskError(
            f"{path}: refused, for it {what}, which no StyleGAN2 needs. Nothing in it was run."
        ) from error
    # A damaged archive raises nearly anything: RuntimeError, EOFError, KeyError, ...
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UnmaskError(
            f"{path}: cannot be read as a file of torch.save ({reason}). It is damaged or incomplete; fetch it again."
        ) from error


def _is_state(state: Any) -> bool:
    if not isinstance(state, Mapping) or not state:
        return False
    return all(
        isinstance(name, str) and isinstance(tensor, Tensor) and tensor.is_floating_point()
        for name, tensor in state.items()
    )


def _settings(state: Mapping[str, Tensor], path: Path) -> GeneratorArchitecture:
    """The shape of the network, read off its tensors."""
    mapping_layers = _length(state, r"style\.(\d+)\.weight")
    convolutions = _length(state, r"convs\.(\d+)\.conv\.weight")
    resolution = 4 << (convolutions // 2)
    first, last = state.get("input.input"), state.get(f"convs.{convolutions - 1}.conv.weight")
    style, rgb = state.get("style.1.weight"), state.get("to_rgb1.conv.weight")
    whole = all(tensor is not None for tensor in (first, last, style, rgb))
    if not whole or convolutions % 2 or resolution not in RESOLUTIONS:
        raise UnmaskError(f"{path}: its tensors are not those of a StyleGAN2 of {PROGRAM}.")
    assert first is not None and last is not None and style is not None and rgb is not None
    if (first.ndim, last.ndim, style.ndim, rgb.ndim) != (4, 5, 2, 5):
        raise UnmaskError(f"{path}: its tensors do not have the shapes of a StyleGAN2 of {PROGRAM}.")
    return GeneratorArchitecture(
        resolution,
        z_dim=style.shape[1],
        w_dim=style.shape[0],
        img_channels=rgb.shape[1],
        mapping_layers=mapping_layers,
        channel_base=last.shape[1] * resolution,
        channel_max=first.shape[1],
    )


def _length(state: Mapping[str, Tensor], pattern: str) -> int:
    """How many names match."""
    return sum(1 for name in state if re.fullmatch(pattern, name))


def _check_kernels(state: Mapping[str, Tensor], path: Path) -> None:
    """They are the same in all published networks, and our networks have no others."""
    for name, tensor in state.items():
        if name.endswith(".kernel") and (
            tensor.shape != (4, 4) or not torch.allclose(tensor, resample_filter() * UP_GAIN, atol=1e-4)
        ):
            raise UnmaskError(f"{path}: {name} is not the filter [1, 3, 3, 1], the only one there is code for.")


def _renamed(state: Mapping[str, Tensor], settings: GeneratorArchitecture) -> dict[str, Tensor]:
    """By NVlabs' names and in their shapes; names that have no counterpart are kept, so that they are complained of."""
    blocks = block_resolutions(settings.resolution)[1:]
    layers = {"conv1": "b4.conv1", "to_rgb1": "b4.torgb"}
    noises = {"noises.noise_0": "b4.conv1"}
    for index, resolution in enumerate(blocks):
        for place in (0, 1):
            layers[f"convs.{2 * index + place}"] = f"b{resolution}.conv{place}"
            noises[f"noises.noise_{2 * index + place + 1}"] = f"b{resolution}.conv{place}"
        layers[f"to_rgbs.{index}"] = f"b{resolution}.torgb"
    modulated = {
        "conv.weight": "weight",
        "conv.modulation.weight": "affine.weight",
        "conv.modulation.bias": "affine.bias",
    }
    names = {"input.input": "b4.const"}
    for ours, theirs in layers.items():
        own = (
            {"bias": "bias"}
            if theirs.endswith("torgb")
            else {"noise.weight": "noise_strength", "activate.bias": "bias"}
        )
        names |= {f"{ours}.{old}": f"{theirs}.{new}" for old, new in (modulated | own).items()}
    names |= {ours: f"{theirs}.noise_const" for ours, theirs in noises.items()}
    renamed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if name.endswith(".kernel"):
            continue
        if match := re.fullmatch(r"style\.(\d+)\.(weight|bias)", name):
            renamed[f"mapping.fc{int(match[1]) - 1}.{match[2]}"] = tensor
        elif name in names:
            renamed[f"synthesis.{names[name]}"] = _reshaped(tensor, names[name])
        else:
            renamed[name] = tensor
    for resolution in (4, *blocks):
        for owner in (f"b{resolution}", f"b{resolution}.conv0") if resolution > 4 else ("b4",):
            renamed[f"synthesis.{owner}.resample_filter"] = resample_filter()
        renamed[f"synthesis.b{resolution}.conv1.resample_filter"] = resample_filter()
    return renamed


def _reshaped(tensor: Tensor, name: str) -> Tensor:
    """Without the axes of size one that NVlabs' tensors do not have."""
    if name.endswith("noise_strength"):
        return tensor.reshape(()) if tensor.numel() == 1 else tensor
    if name.endswith("torgb.bias"):
        return tensor.flatten()
    if name.endswith("noise_const"):
        return tensor[0, 0].clone() if tensor.ndim == 4 else tensor
    if name.endswith(("const", ".weight")) and not name.endswith("affine.weight"):
        return tensor[0].clone() if tensor.ndim in (4, 5) else tensor
    return tensor


def _add_noise(state: dict[str, Tensor], settings: GeneratorArchitecture) -> bool:
    """Draw all noise maps if there are none at all; whether that was so."""
    if any(name.endswith("noise_const") for name in state):
        return False
    generator = torch.Generator().manual_seed(SEED)
    for resolution in block_resolutions(settings.resolution):
        for layer in ("conv1",) if resolution == 4 else ("conv0", "conv1"):
            noise = torch.randn(resolution, resolution, generator=generator)
            state[f"synthesis.b{resolution}.{layer}.noise_const"] = noise
    return True


def _average(settings: GeneratorArchitecture, state: Mapping[str, Tensor]) -> Tensor:
    """The mean of w: (w_dim,)."""
    networks = Networks(settings)
    networks.load_state_dict(state)
    z = torch.randn(AVERAGE_SAMPLES, settings.z_dim, generator=torch.Generator().manual_seed(SEED))
    with torch.no_grad():
        return networks.eval().mapping(z).mean(0)
