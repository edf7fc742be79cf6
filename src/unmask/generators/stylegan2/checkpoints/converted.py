"""Generators that were converted once: tensors by NVlabs' names in safetensors, and what they are as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import save

from unmask.config import GeneratorNetwork
from unmask.errors import UnmaskError
from unmask.files import atomic_path
from unmask.generators.stylegan2.architecture import GeneratorArchitecture
from unmask.generators.stylegan2.checkpoints.checkpoint import Checkpoint, Source, as_weights, checked
from unmask.tensorfiles import UNREADABLE, Damaged, parsed, read_safetensors

METADATA = "unmask"
"""The entry of the file's metadata that holds the JSON."""
FORMAT = "StyleGAN2 generator, version 1"


def facts(checkpoint: Checkpoint) -> dict[str, Any]:
    """What the JSON says."""
    source = checkpoint.source
    return {
        "format": FORMAT,
        "made_by": source.made_by,
        "file": source.file,
        "network": source.network.value,
        "remarks": list(source.remarks),
        "architecture": asdict(checkpoint.settings),
    }


def write_converted(checkpoint: Checkpoint, path: Path) -> None:
    """Write one file, atomically. Equal checkpoints make equal files.

    Raises:
        OSError: it cannot be written.
    """
    with atomic_path(path) as temporary:
        # One entry, for safetensors writes several in random order.
        # Written by Python: a full disk is an OSError then.
        temporary.write_bytes(save(checkpoint.state, metadata={METADATA: json.dumps(facts(checkpoint))}))


def read_converted(path: Path, network: GeneratorNetwork) -> Checkpoint:
    """The generator that `write_converted` wrote.

    Raises:
        UnmaskError: the file is damaged, was written by another program, or holds the other network.
    """
    try:
        tensors, metadata = read_safetensors(path)
        state = {name: as_weights(tensor) for name, tensor in tensors.items()}
    except UNREADABLE as error:
        raise UnmaskError(
            f"{path}: cannot be read as safetensors ({error}). It is damaged or incomplete; convert or fetch it again."
        ) from error
    try:
        told = parsed(metadata.get(METADATA, ""))
        if told["format"] != FORMAT:
            raise ValueError(told["format"])
        settings = _settings(told["architecture"])
        held = GeneratorNetwork(told["network"])
        source = Source(str(told["made_by"]), held, str(told["file"]), tuple(map(str, told["remarks"])))
    except (Damaged, ValueError, KeyError, TypeError, OverflowError) as error:
        raise UnmaskError(
            f"{path}: safetensors, but not a StyleGAN2 converted by `python -m unmask.convert`. Convert the "
            "original checkpoint with it."
        ) from error
    if held is not network:
        raise UnmaskError(
            f"{path}: holds only {held.value}. Use generator.network={held.value}, or convert the original checkpoint "
            f"again with --network {network.value}."
        )
    return checked(Checkpoint(settings, state, source), path)


def _settings(told: dict[str, Any]) -> GeneratorArchitecture:
    """The architecture, of values that have its types.

    Raises:
        TypeError: they do not, or the names are others.
    """
    settings = GeneratorArchitecture(**told)
    clamp = settings.conv_clamp
    for name, value in told.items():
        if name not in ("architecture", "conv_clamp") and type(value) is not int:
            raise TypeError(name)
    if not isinstance(settings.architecture, str) or not (clamp is None or type(clamp) in (int, float)):
        raise TypeError("architecture")
    return settings
