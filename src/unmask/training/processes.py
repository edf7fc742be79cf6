"""Devices, precision and processes of a training, through Lightning Fabric."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from unmask.config import TrainingConfig
from unmask.errors import UnmaskError
from unmask.precision import resolve_precision

if TYPE_CHECKING:
    from lightning_fabric import Fabric

log = logging.getLogger(__name__)


def start_processes(config: TrainingConfig, device: torch.device, run_dir: Path | None = None) -> Fabric:
    """Fabric on `device`, launched: with `training.devices` > 1 every process comes back from here by itself.

    Under torchrun the processes are there already, and `run_dir` is checked to be the same for all.

    Raises:
        UnmaskError: unknown precision, devices that do not exist, or processes with directories of their own.
    """
    from lightning_fabric import Fabric

    many = config.devices * config.num_nodes > 1
    devices: int | list[int] = config.devices
    if device.type == "cuda" and device.index is not None and not many:
        devices = [device.index]
    # Fabric tells the user about plugins and cluster environments; that is for its own debugging.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    try:
        fabric = Fabric(
            accelerator=device.type,
            devices=devices,
            num_nodes=config.num_nodes,
            strategy="ddp" if many else "auto",
            precision=resolve_precision(config.precision, device, "training.precision"),  # type: ignore[arg-type]
        )
        fabric.launch()
    except (ValueError, RuntimeError, TypeError) as error:
        raise UnmaskError(
            f"training.devices={config.devices} training.num_nodes={config.num_nodes} on {device.type}: {error}"
        ) from error
    if run_dir is not None and fabric.world_size > 1 and fabric.broadcast(str(run_dir)) != str(run_dir):
        raise UnmaskError(
            f"Started by torchrun, each process would write to a directory of its own ({run_dir}); name one for all: "
            "hydra.run.dir=outputs/NAME."
        )
    return fabric
