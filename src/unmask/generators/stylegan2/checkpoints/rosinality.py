"""Generators in the checkpoints of rosinality/stylegan2-pytorch: those of its training, and conversions by its script.

They hold NVlabs' numbers under other names. What they do not hold is made up: the average of w is taken over 10,000
samples, and noise maps are drawn; both are the same at every call.
"""

from __future__ import annotations

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
from unmask.tensorfiles import Damaged, Refusal, checked_weights, is_state, read_torch_file, shown, unwrapped

PROGRAM = "rosinality/stylegan2-pytorch"
KEYS = {GeneratorNetwork.g_ema: "g_ema", GeneratorNetwork.g: "g"}
DECODER = "decoder."
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
    state, average = _state_of(content, KEYS[network], path)
    try:
        checked_weights(state)
    except Refusal as refusal:
        raise UnmaskError(f"{path}: it holds {refusal}. The file is damaged, or a training that diverged.") from refusal
    tensors = {name: as_weights(tensor) for name, tensor in state.items()}
    settings = _settings(tensors, path)
    _check_kernels(tensors, path)
    renamed = _renamed(tensors, settings)
    remarks = []
    if _add_noise(renamed, settings):
        remarks.append("The file holds no noise maps; they were drawn.")
    if average is not None:
        renamed["mapping.w_avg"] = as_weights(average)
    else:
        renamed["mapping.w_avg"] = torch.zeros(settings.w_dim)  # a placeholder, so that all shapes can be checked
        remarks.append(f"The file holds no latent_avg; w was averaged over {AVERAGE_SAMPLES:,} samples.")
    checkpoint = checked(Checkpoint(settings, renamed, Source(PROGRAM, network, path.name, tuple(remarks))), path)
    if average is None:
        renamed["mapping.w_avg"] = _average(settings, renamed)
    return checkpoint


def _load(path: Path) -> Any:
    try:
        return read_torch_file(path)
    except Refusal as refusal:
        raise UnmaskError(
            f"{path}: refused, for it asks for {refusal}, which no StyleGAN2 needs. Nothing in it was run."
        ) from refusal
    except (Damaged, OSError) as error:
        raise UnmaskError(
            f"{path}: cannot be read as a file of torch.save ({error}). It is damaged or incomplete; fetch it again."
        ) from error


def _state_of(content: Any, key: str, path: Path) -> tuple[dict[str, Tensor], Tensor | None]:
    """The generator's own tensors, by the program's names, and the average of w, where the file has one.

    The program keeps several networks by name; other files hold a state dict alone, or, as those of pSp (Richardson et
    al. 2021) and the encoders after it do, the generator as `decoder.` within a larger network.

    Raises:
        UnmaskError: there is no such generator, or not one but several averages.
    """
    table = content if isinstance(content, Mapping) else {}
    state = unwrapped(table.get(key) if isinstance(table.get(key), Mapping) else content)
    decoder = (
        {name.removeprefix(DECODER): value for name, value in state.items() if name.startswith(DECODER)}
        if (is_state(state))
        else {}
    )
    state = decoder or state
    alone = not isinstance(table.get(key), Mapping)
    if not is_state(state) or (alone and "input.input" not in state) or not all(map(_is_real, state.values())):
        held = ", ".join(sorted(map(shown, table))[:8]) if table else shown(content)
        raise UnmaskError(
            f"{path}: holds no {key}, but {held}; not a checkpoint of {PROGRAM}, or one without this network "
            "(generator.network=g_ema takes g_ema, generator.network=g takes g)."
        )
    if alone and key != KEYS[GeneratorNetwork.g_ema]:
        raise UnmaskError(f"{path}: holds a single generator, which is taken for g_ema: leave out generator.network.")
    average = table.get("latent_avg")
    if not isinstance(average, Tensor) or not _is_real(average) or average.ndim not in (1, 2) or not average.numel():
        return state, None
    return state, average.float().mean(0) if average.ndim == 2 and len(average) > 1 else average.float().reshape(-1)


def _is_real(tensor: Tensor) -> bool:
    return tensor.is_floating_point()


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
            raise UnmaskError(f"{path}: {name} is not the filter [1, 3, 3, 1], the only one supported.")


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
        if match := re.fullmatch(r"style\.(\d{1,4})\.(weight|bias)", name):
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
