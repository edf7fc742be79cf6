"""How a file's tensors differ from those a network has."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from unmask.tensorfiles import shown


def mismatch(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> str:
    """Names and shapes of `state` against those of the network, for a message; empty if they are the same."""
    missing = [name for name in own if name not in state]
    unknown = [name for name in state if name not in own]
    shapes = [name for name in own if name in state and state[name].shape != own[name].shape]
    parts = []
    if missing:
        parts.append(f"{len(missing)} tensors are missing ({shown(missing[0])})")
    if unknown:
        parts.append(f"{len(unknown)} are unknown ({shown(unknown[0])})")
    if shapes:
        name = shapes[0]
        sizes = f"{_size(state[name])} instead of {_size(own[name])}"
        parts.append(f"{len(shapes)} differ in shape ({shown(name)}: {sizes})")
    return ", ".join(parts)


def _size(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "a number"
