"""The loop of the training scripts: AdamW, a cosine learning rate, averaged weights, checkpoints to go on from.

A training ends after so many steps or so many seconds, whichever comes first; both count those of earlier starts.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.progress import Progress
from torch import Tensor, nn

from unmask.files import atomic_path
from unmask.training.averaging import average_of, averaged
from unmask.training.update import set_rate

log = logging.getLogger(__name__)

WARM_UP = 100
AVERAGE = 0.999
"""Decay of the averaged weights per step, which are what a training results in."""

Update = Callable[[str, Tensor], None]
"""``update(name, loss)``: one step of the optimiser of the networks called `name` down the gradient of `loss`."""


@dataclass(frozen=True)
class Budget:
    """What ends a training.

    Attributes:
        steps: at most.
        seconds: at most; None: as long as the steps take.
        report_every: steps between two reports, each with a checkpoint.
    """

    steps: int
    seconds: float | None
    report_every: int

    def spent(self, steps: int, seconds: float) -> float:
        """The share, from 0 to 1, that is used up."""
        shares = [steps / self.steps] + ([] if self.seconds is None else [seconds / self.seconds])
        return min(1.0, max(shares))


@dataclass(frozen=True)
class Rates:
    """Of AdamW."""

    lr: float
    weight_decay: float
    betas: tuple[float, float] = (0.9, 0.999)


@dataclass(frozen=True)
class Report:
    """How well a network does on what it does not learn from: in words, and as a number, the smaller the better."""

    text: str
    missed: float


def train(
    networks: Mapping[str, nn.Module],
    step_of: Callable[[torch.Generator, Update], dict[str, Tensor]],
    checkpoint: Path,
    *,
    budget: Budget,
    rates: Rates,
    seed: int,
    device: torch.device,
    report: Callable[[], Report],
    adapt_statistics: bool = True,
) -> dict[str, object]:
    """Train the networks, from `checkpoint` on if it is there; the first is left with the best of its averaged weights.

    Args:
        networks: by the name of their optimiser; the first is what the training is for.
        step_of: takes a step by calling `Update`, and returns losses to be shown; what it draws must come from the
            random numbers it is given, which depend on `seed` and the step alone.
        report: called with the first network's averaged weights in place, in evaluation mode.
        adapt_statistics: batch normalisation goes by the batch's own statistics; for small batches leave them alone.
    Returns:
        Facts: steps, seconds, and the best report with the step it was made at.
    """
    name, main = next(iter(networks.items()))
    for network in networks.values():
        network.to(device).to(memory_format=torch.channels_last)
    optimisers = {
        key: torch.optim.AdamW(network.parameters(), lr=rates.lr, weight_decay=rates.weight_decay, betas=rates.betas)
        for key, network in networks.items()
    }
    average = average_of(main, AVERAGE)
    assert average is not None
    step, seconds = 0, 0.0
    best: dict[str, object] = {"missed": math.inf}
    if checkpoint.is_file():
        state = torch.load(checkpoint, weights_only=True, map_location=device)
        for key, network in networks.items():
            network.load_state_dict(state["networks"][key])
            optimisers[key].load_state_dict(state["optimisers"][key])
        average.load_state_dict(state["average"])
        step, seconds, best = state["step"], state["seconds"], state["best"]

    def update(key: str, loss: Tensor) -> None:
        optimisers[key].zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(networks[key].parameters(), 1.0)
        optimisers[key].step()

    began = time.perf_counter() - seconds
    sums: dict[str, Tensor] = {}
    counted = 0
    with Progress() as progress:
        bar = progress.add_task(name, total=1.0)
        while budget.spent(step, seconds) < 1:
            for network in networks.values():
                network.train(adapt_statistics)
            share = budget.spent(step, seconds)
            set_rate(optimisers, rates.lr * 0.5 * (1 + math.cos(math.pi * share)) * min(1.0, (step + 1) / WARM_UP))
            losses = step_of(torch.Generator(device).manual_seed(seed * 1_000_003 + step), update)
            average.update_parameters(main)
            for key, loss in losses.items():
                sums[key] = sums[key] + loss.detach() if key in sums else loss.detach()
            step, counted, seconds = step + 1, counted + 1, time.perf_counter() - began
            progress.update(bar, completed=budget.spent(step, seconds))
            if step % budget.report_every == 0 or budget.spent(step, seconds) == 1:
                shown = ", ".join(f"{key} {float(value) / counted:.4f}" for key, value in sums.items())
                with averaged(main, average):
                    main.eval()
                    found = report()
                    if found.missed < float(str(best["missed"])):
                        weights = {key: value.clone() for key, value in main.state_dict().items()}
                        best = {"missed": found.missed, "step": step, "report": found.text, "network": weights}
                log.info("%s step %d, %.0f s: %s; held out: %s", name, step, seconds, shown, found.text)
                sums, counted = {}, 0
                with atomic_path(checkpoint) as temporary:
                    state = {
                        "networks": {key: network.state_dict() for key, network in networks.items()},
                        "optimisers": {key: optimiser.state_dict() for key, optimiser in optimisers.items()},
                        "average": average.state_dict(),
                        "best": best,
                        "step": step,
                        "seconds": seconds,
                    }
                    torch.save(state, temporary)
    kept = best.get("network")
    if isinstance(kept, dict):
        main.load_state_dict(kept)
    main.eval()
    return {"steps": step, "seconds": round(seconds), "best_step": best.get("step"), "held_out": best.get("report")}
