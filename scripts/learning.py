"""The loop of the training scripts: AdamW, a cosine learning rate, checkpoints that a stopped training goes on from."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from pathlib import Path

import torch
from rich.progress import track
from torch import Tensor, nn

from unmask.files import atomic_path

log = logging.getLogger(__name__)

WARM_UP = 100
REPORT_EVERY = 200


def train(
    network: nn.Module,
    loss_of: Callable[[torch.Generator], Tensor],
    checkpoint: Path,
    *,
    name: str,
    steps: int,
    lr: float,
    weight_decay: float,
    seed: int,
    report: Callable[[], str],
    adapt_statistics: bool = True,
) -> None:
    """Train `network`, from `checkpoint` on if it is there.

    Args:
        loss_of: a step's loss; what it draws must come from the random numbers it is given, which depend on `seed` and
            the step alone.
        report: how well the network does on what it does not learn from.
        adapt_statistics: batch normalisation goes by the batch's own statistics; for small batches leave them alone.
    """
    optimiser = torch.optim.AdamW(network.parameters(), lr=lr, weight_decay=weight_decay)
    start = 0
    if checkpoint.is_file():
        state = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        start = int(state["step"])
    network.to(memory_format=torch.channels_last)
    recent: list[float] = []
    for step in track(range(start, steps), description=name):
        network.train(adapt_statistics)
        for group in optimiser.param_groups:
            group["lr"] = lr * 0.5 * (1 + math.cos(math.pi * step / steps)) * min(1.0, (step + 1) / WARM_UP)
        loss = loss_of(torch.Generator().manual_seed(seed * 1_000_003 + step))
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        recent.append(float(loss.detach()))
        if (step + 1) % REPORT_EVERY == 0 or step + 1 == steps:
            network.eval()
            log.info("%s step %d: loss %.4f (held out: %s)", name, step + 1, sum(recent) / len(recent), report())
            recent = []
            with atomic_path(checkpoint) as temporary:
                state = {"network": network.state_dict(), "optimiser": optimiser.state_dict(), "step": step + 1}
                torch.save(state, temporary)
    network.eval()
