"""Generators in the pickles of NVlabs/stylegan2-ada-pytorch and NVlabs/stylegan3."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from unmask.config import GeneratorNetwork
from unmask.errors import UnmaskError
from unmask.generators.stylegan2.architecture import GeneratorArchitecture
from unmask.generators.stylegan2.checkpoints.checkpoint import Checkpoint, Source, as_weights, checked
from unmask.generators.stylegan2.checkpoints.nvlabs_pickle import Network, read_pickle
from unmask.tensorfiles.budget import Refusal
from unmask.tensorfiles.pickle_machine import shown
from unmask.tensorfiles.storage import StoredTensor

KEYS = {GeneratorNetwork.g_ema: "G_ema", GeneratorNetwork.g: "G"}
ADA, STYLEGAN3 = "NVlabs/stylegan2-ada-pytorch", "NVlabs/stylegan3"
MAX_DEPTH = 8
"""Networks within networks; a generator has four levels."""

SYNTHESIS_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    ADA: {"num_fp16_res": 0, "conv_clamp": None},
    STYLEGAN3: {"num_fp16_res": 4, "conv_clamp": 256},
}
"""Where the two code bases differ."""
BASE_OPTIONS = frozenset({"z_dim", "c_dim", "w_dim", "img_resolution", "img_channels", "mapping_kwargs"})
SYNTHESIS_OPTIONS = frozenset({"channel_base", "channel_max", "num_fp16_res", "conv_clamp", "architecture"})
MAPPING_OPTIONS = frozenset({"num_layers"})
WITHOUT_EFFECT = frozenset(
    {"fp16_channels_last", "use_fp16", "channels_last", "fused_modconv_default", "w_avg_beta", "resample_filter"}
)
"""Speed, training, and what the tensors themselves show."""
ONLY_VALUES = {"activation": "lrelu", "lr_multiplier": 0.01, "use_noise": True, "kernel_size": 3}
"""Options that there is code for at one value only."""
LARGEST_CLAMP = 1e6
MAX_PARTS = 10_000
"""Networks and layers that are looked at; a generator has some hundred. Shared ones can be met again and again."""
MAX_NUMBERS = 250_000_000
"""Of all tensors together; the largest published generators have 30 million."""
LAYERS_WITH_CLAMP = ("SynthesisLayer", "ToRGBLayer")


def read_nvlabs(path: Path, network: GeneratorNetwork) -> Checkpoint:
    """The generator in a network pickle.

    Raises:
        UnmaskError: the pickle is refused or damaged, or holds no such StyleGAN2.
    """
    content = read_pickle(path)
    key = KEYS[network]
    if not isinstance(content, dict) or not isinstance(content.get(key), Network):
        raise UnmaskError(
            f"{path}: holds no {key}, but {_held(content)}. generator.network=g_ema takes G_ema, generator.network=g "
            "takes G."
        )
    found: Network = content[key]
    try:
        program, settings = _settings(found, path)
        state = dict(_tensors(found))
    except Refusal as refusal:
        raise UnmaskError(f"{path}: {key} has {refusal}, which is not supported.") from refusal
    return checked(Checkpoint(settings, state, Source(program, network, path.name)), path)


def _held(content: Any) -> str:
    if not isinstance(content, dict):
        return f"{content.class_name} alone" if isinstance(content, Network) else shown(content)
    names = [key for key, value in content.items() if isinstance(key, str) and isinstance(value, Network)]
    return ", ".join(map(shown, sorted(names)[:8])) or "no network at all"


def _settings(network: Network, path: Path) -> tuple[str, GeneratorArchitecture]:
    """Which program made the network, and its shape, as its constructor was told."""
    synthesis = network.table("_modules").get("synthesis")
    if network.class_name != "Generator" or not isinstance(synthesis, Network):
        raise UnmaskError(f"{path}: holds a {network.class_name} where a StyleGAN2 generator was expected.")
    if "b4" not in synthesis.table("_modules"):
        raise UnmaskError(
            f"{path}: a StyleGAN3 generator, which is not supported. Take a StyleGAN2, such as ffhq.pkl of "
            "stylegan2-ada-pytorch or stylegan2-ffhq-*.pkl of stylegan3."
        )
    if network.state.get("_init_args", ()) != ():
        raise Refusal("constructor arguments without a name")
    options = dict(network.table("_init_kwargs"))
    program = STYLEGAN3 if _is_stylegan3(options, synthesis) else ADA
    mapping = _options(options.pop("mapping_kwargs", {}), "mapping_kwargs")
    if program == ADA:
        inner = _options(options.pop("synthesis_kwargs", {}), "synthesis_kwargs")
    else:
        inner = {name: options.pop(name) for name in list(options) if name not in BASE_OPTIONS}
    _refuse_unknown(options, BASE_OPTIONS)
    _refuse_unknown(mapping, MAPPING_OPTIONS | {"embed_features", "layer_features"})  # the tensors show these two
    _refuse_unknown(inner, SYNTHESIS_OPTIONS)
    inner = {**SYNTHESIS_DEFAULTS[program], **inner}
    architecture = inner.get("architecture", "skip")
    if not isinstance(architecture, str):
        raise Refusal(f"architecture {shown(architecture)}")
    return program, GeneratorArchitecture(
        _count(options, "img_resolution"),
        z_dim=_count(options, "z_dim"),
        w_dim=_count(options, "w_dim"),
        c_dim=_count(options, "c_dim"),
        img_channels=_count(options, "img_channels"),
        mapping_layers=_count(mapping, "num_layers", 8),
        channel_base=_count(inner, "channel_base", 32768),
        channel_max=_count(inner, "channel_max", 512),
        architecture=architecture,
        conv_clamp=_clamp(synthesis, inner["conv_clamp"]),
        num_fp16_res=_count(inner, "num_fp16_res"),
    )


def _is_stylegan3(options: Mapping[str, Any], synthesis: Network) -> bool:
    """Its generators take the synthesis' options themselves, and its synthesis remembers num_fp16_res."""
    if "synthesis_kwargs" in options:
        return False
    return "num_fp16_res" in synthesis.state or not SYNTHESIS_OPTIONS.isdisjoint(options)


def _options(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise Refusal(f"{name} that are not options by name")
    return dict(value)


def _refuse_unknown(options: Mapping[str, Any], known: frozenset[str]) -> None:
    for name, value in options.items():
        if name in known or name in WITHOUT_EFFECT:
            continue
        if name not in ONLY_VALUES or type(value) is not type(ONLY_VALUES[name]) or value != ONLY_VALUES[name]:
            raise Refusal(f"the option {shown(name)} with {shown(value)}")


def _count(options: Mapping[str, Any], name: str, default: int | None = None) -> int:
    value = options.get(name, default)
    if type(value) is not int:
        raise Refusal(f"{name} {shown(value)}")
    return value


def _clamp(synthesis: Network, told: Any) -> float | None:
    """What the layers clamp to, which they remember; what the constructor was told where they do not."""
    layers = (layer for layer in _parts(synthesis) if layer.class_name in LAYERS_WITH_CLAMP)
    clamps = [layer.state.get("conv_clamp", told) for layer in layers]
    sensible = all(clamp is None or (type(clamp) in (int, float) and abs(clamp) < LARGEST_CLAMP) for clamp in clamps)
    if not sensible or len(set(clamps)) != 1:
        raise Refusal("layers that clamp differently")
    return None if clamps[0] is None else float(clamps[0])


def _parts(network: Network) -> Iterator[Network]:
    """The network and all within it."""
    for count, (_, part) in enumerate(_named_parts(network)):
        if count == MAX_PARTS:
            raise Refusal(f"more than {MAX_PARTS} networks within networks")
        yield part


def _named_parts(network: Network, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Network]]:
    if depth > MAX_DEPTH:
        raise Refusal(f"networks nested more than {MAX_DEPTH} deep")
    yield prefix, network
    for name, part in network.table("_modules").items():
        if isinstance(part, Network):
            yield from _named_parts(part, f"{prefix}{name}.", depth + 1)
        elif part is not None:
            raise Refusal(f"{shown(prefix + name)} that is not a network")


def _tensors(network: Network) -> Iterator[tuple[str, Tensor]]:
    """Parameters and persistent buffers by their full names, in order."""
    numbers = 0
    for prefix, part in _named_parts(network):
        left_out = part.state.get("_non_persistent_buffers_set", set())
        if not isinstance(left_out, set):
            raise Refusal("buffers that are left out by something other than names")
        for name, value in (*part.table("_parameters").items(), *part.table("_buffers").items()):
            if value is None or name in left_out:
                continue
            if not isinstance(value, StoredTensor) or not value.storage.dtype.is_floating_point:
                raise Refusal(f"{shown(prefix + name)} that is not a tensor of floating-point numbers")
            numbers += math.prod(value.size)
            if numbers > MAX_NUMBERS:
                raise Refusal(f"more than {MAX_NUMBERS:,} numbers")
            yield prefix + name, as_weights(value.tensor())
