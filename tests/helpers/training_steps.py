"""Taking training steps of a method without the loop."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unmask.faces import TrainingBatch
from unmask.methods.trained import TrainedMethod

LR = 2e-4


class Updater:
    """Adam on every update, as the reference's optimisers; remembers the gradients."""

    def __init__(self, method: TrainedMethod) -> None:
        self.method = method
        self.gradients: dict[nn.Parameter, Tensor] = {}
        self.order: list[str] = []
        self.optimisers = {
            name: torch.optim.Adam([p for network in networks for p in network.parameters()], LR, (0.5, 0.999))
            for name, networks in method.networks().items()
        }

    def __call__(self, name: str, loss: Tensor) -> None:
        self.order.append(name)
        self.optimisers[name].zero_grad()
        loss.backward()
        for network in self.method.networks()[name]:
            for parameter in network.parameters():
                assert parameter.grad is not None
                self.gradients[parameter] = parameter.grad.clone()
        self.optimisers[name].step()


def made_up_batch(size: int = 2) -> TrainingBatch:
    generator = torch.Generator().manual_seed(0)
    masked, clean = (torch.rand(size, 3, 32, 32, generator=generator) * 2 - 1 for _ in range(2))
    hole = torch.zeros(size, 1, 32, 32)
    hole[:, :, 16:24, 8:24] = 1
    ids = tuple(map(str, range(size)))
    return TrainingBatch(ids, ids, masked, hole, clean)
