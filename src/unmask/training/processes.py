"""Devices, precision and processes of a training, through Lightning Fabric."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from unmask.config import TrainingConfig
from unmask.errors import UnmaskError

if TYPE_CHECKING:
    from lightning_fabric import Fabric

log = logging.getLogger(__name__)

PRECISIONS = ("32-true", "bf16-mixed", "64-true")


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
            precision=resolve_precision(config.precision, device),  # type: ignore[arg-type]
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


def resolve_precision(name: str, device: torch.device) -> str:
    """`training.precision` with auto replaced: bf16-mixed where the hardware multiplies in bf16, else 32-true.

    Raises:
        UnmaskError: unknown.
    """
    if name == "auto":
        return "bf16-mixed" if computes_in_bf16(device) else "32-true"
    if name not in PRECISIONS:
        raise UnmaskError(f"training.precision={name}: choose auto, {', '.join(PRECISIONS)}.")
    return name


def computes_in_bf16(device: torch.device) -> bool:
    """Whether bf16 is faster than fp32 there, as opposed to merely possible."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return False
