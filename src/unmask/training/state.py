"""What a killed training needs to go on as if nothing had happened, in one file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.swa_utils import AveragedModel

from unmask.errors import UnmaskError
from unmask.files import atomic_path
from unmask.tensorfiles import UNREADABLE, read_torch_file

if TYPE_CHECKING:
    from lightning_fabric import Fabric

NAME = "training.pt"


def save(
    path: Path,
    fabric: Fabric,
    *,
    method: nn.Module,
    optimisers: Mapping[str, Optimizer],
    average: AveragedModel | None,
    progress: Mapping[str, Any],
) -> None:
    """Write everything atomically; all processes must call it, the first one writes.

    Weights and optimisers are the same in every process. The rest of the method's state (batch norm's statistics, pools
    of pictures) is each process's own.
    """
    shared = {name: tensor.detach() for name, tensor in method.named_parameters()}
    own = {name: value for name, value in method.state_dict().items() if name not in shared}
    everyones = gather(fabric, own)
    if not fabric.is_global_zero:
        return
    content = {
        "progress": dict(progress),
        "parameters": shared,
        "own": everyones,
        "optimisers": {name: optimiser.state_dict() for name, optimiser in optimisers.items()},
        "average": None if average is None else average.state_dict(),
    }
    with atomic_path(path) as temporary:
        torch.save(content, temporary)


def restore(
    path: Path,
    fabric: Fabric,
    *,
    method: nn.Module,
    optimisers: Mapping[str, Optimizer],
    average: AveragedModel | None,
) -> dict[str, Any]:
    """Put everything back, and return what was saved as `progress`.

    Raises:
        UnmaskError: the file is damaged, or was written by another number of processes; nothing in it is executed.
    """
    try:
        content = read_torch_file(path)
        everyones = content["own"]
        if len(everyones) != fabric.world_size:
            raise UnmaskError(
                f"{path}: this training was started with {len(everyones)} processes and can only continue with as "
                f"many, not with {fabric.world_size} (devices, num_nodes)."
            )
        method.load_state_dict({**content["parameters"], **everyones[fabric.global_rank]})
        for name, optimiser in optimisers.items():
            optimiser.load_state_dict(content["optimisers"][name])
        if average is not None:
            average.load_state_dict(content["average"])
    except UnmaskError:
        raise
    except (*UNREADABLE, RuntimeError, KeyError, TypeError, ValueError, AttributeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise UnmaskError(
            f"{path}: cannot be resumed from ({reason}). Remove it to train from the beginning, or evaluate the "
            "weights beside it with method.checkpoint."
        ) from error
    return content["progress"]


def gather(fabric: Fabric, value: Any) -> list[Any]:
    """Every process's value in the order of their ranks, at the first process; [] at the others."""
    if fabric.world_size == 1:
        return [value]
    values: list[Any] | None = [None] * fabric.world_size if fabric.is_global_zero else None
    torch.distributed.gather_object(value, values)
    return values or []
