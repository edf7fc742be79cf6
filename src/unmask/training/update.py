"""One optimiser step: backward, averaging over processes, clipping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from unmask.config import TrainingConfig

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def make_optimisers(
    networks: Mapping[str, Sequence[nn.Module]], config: TrainingConfig, device: torch.device
) -> dict[str, Optimizer]:
    """Adam (Kingma & Ba 2015) for every group of networks."""
    fused = device.type in ("cpu", "cuda")  # one pass over the weights instead of several
    return {
        name: Adam(
            [parameter for network in group for parameter in network.parameters()],
            config.lr,
            (config.beta1, config.beta2),
            fused=fused,
        )
        for name, group in networks.items()
    }


def set_rate(optimisers: Mapping[str, Optimizer], rate: float) -> None:
    """Let all of them learn at this rate."""
    for optimiser in optimisers.values():
        for group in optimiser.param_groups:
            group["lr"] = rate


@dataclass(frozen=True)
class Updater:
    """What `TrainedMethod.training_step` is given as `update`."""

    fabric: Fabric
    networks: Mapping[str, Sequence[nn.Module]]
    optimisers: Mapping[str, Optimizer]
    clip: float | None

    def __call__(self, name: str, loss: Tensor) -> None:
        optimiser = self.optimisers[name]
        optimiser.zero_grad()
        # Backward passes take each operation's precision from its forward pass.
        with torch.autocast(loss.device.type, enabled=False):
            self.fabric.backward(loss)
        for network in self.networks[name]:
            average_gradients(self.fabric, network)
            if self.clip is not None:
                torch.nn.utils.clip_grad_norm_(network.parameters(), self.clip)
        optimiser.step()


def average_gradients(fabric: Fabric, network: nn.Module) -> None:
    """Replace every gradient by its mean over the processes, in one exchange (as NVlabs' StyleGAN trainings do).

    Wrapping networks in DistributedDataParallel would do the same, but not for networks that run several times before
    one backward pass, as CycleGAN's do, with their buffers left alone.
    """
    if fabric.world_size == 1:
        return
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    mean = fabric.all_reduce(flat, reduce_op="mean")
    assert isinstance(mean, Tensor)
    for gradient, part in zip(gradients, mean.split([gradient.numel() for gradient in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))
