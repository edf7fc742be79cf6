"""A moving average of a network's weights (Polyak averaging), as GANs are commonly evaluated with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from unmask.errors import UnmaskError

Tensors = tuple[Tensor, ...] | list[Tensor]


def average_of(network: nn.Module, decay: float | None) -> AveragedModel | None:
    """An average that starts at the network's present weights; None without `decay`.

    Batch norm's statistics are averaged too: those of the present weights do not fit averaged ones. After n steps the
    decay is at most (1 + n) / (10 + n), so that the fresh weights are soon forgotten (as TensorFlow's
    ExponentialMovingAverage counts with num_updates).

    Raises:
        UnmaskError: a decay outside [0,1).
    """
    if decay is None:
        return None
    if not 0 <= decay < 1:
        raise UnmaskError(f"training.ema_decay={decay} must be at least 0 and below 1, or null.")

    def blend(averages: Tensors, weights: Tensors, count: Tensor | int) -> None:
        steps = int(count)
        get_ema_multi_avg_fn(min(decay, (1 + steps) / (10 + steps)))(averages, weights, count)

    return AveragedModel(network, multi_avg_fn=blend, use_buffers=True)


@contextmanager
def averaged(network: nn.Module, average: AveragedModel | None) -> Iterator[None]:
    """Let `network` have the average's weights for a while; afterwards it has its own again, to the bit."""
    if average is None:
        yield
        return
    own: dict[str, Tensor] = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
    with torch.no_grad():
        network.load_state_dict(average.module.state_dict())
    try:
        yield
    finally:
        network.load_state_dict(own)
