"""From what a file holds to the weights of one network: wrappers taken off, and what cannot be weights refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from unmask.tensorfiles.budget import Refusal
from unmask.tensorfiles.pickle_machine import shown

CONTAINERS = ("state_dict", "model_state_dict", "model", "net", "network", "params_ema", "params", "weights")
"""Under which names programs keep a network's state dict beside other things."""
WRAPPERS = ("module.", "_orig_mod.")
"""What nn.DataParallel, DistributedDataParallel and torch.compile put in front of every name."""
MAX_WRAPPED = 4


def unwrapped(content: Any, containers: Sequence[str] = CONTAINERS) -> Any:
    """The state dict in `content`, out of whatever `containers` it lies in, its names without those of wrappers.

    Anything else is returned as it is.
    """
    for _ in range(MAX_WRAPPED):
        if is_state(content):
            return {_plain_name(name): tensor for name, tensor in content.items()}
        inner = _inner(content, containers)
        if inner is None:
            return content
        content = inner
    return content


def is_state(content: Any) -> bool:
    """Whether `content` is a state dict: tensors by names, and nothing else."""
    if not isinstance(content, Mapping) or not content:
        return False
    return all(isinstance(name, str) and isinstance(value, Tensor) for name, value in content.items())


def checked_weights(state: Mapping[str, Tensor]) -> None:
    """Look for what cannot be a network's numbers.

    Raises:
        Refusal: an axis of size 0, or numbers that are not finite; names the tensor.
    """
    for name, tensor in state.items():
        if tensor.numel() == 0:
            raise Refusal(f"{shown(name)} without numbers, {tuple(tensor.shape)}")
        if tensor.is_floating_point() and not torch.isfinite(tensor.sum(dtype=torch.float64)):
            bad = int((~tensor.isfinite()).sum())
            if bad:
                raise Refusal(f"{shown(name)} with {bad} of {tensor.numel()} numbers that are NaN or infinite")


def _inner(content: Any, containers: Sequence[str]) -> Any:
    if not isinstance(content, Mapping):
        return None
    return next((content[name] for name in containers if isinstance(content.get(name), Mapping)), None)


def _plain_name(name: str) -> str:
    while name.startswith(WRAPPERS):
        for wrapper in WRAPPERS:
            name = name.removeprefix(wrapper)
    return name
