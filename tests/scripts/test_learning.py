"""The loop of the training scripts on a problem small enough to know the answer to."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
from learning import Budget, Rates, Report, Update, train

TRUTH = torch.tensor([[2.0, -1.0, 0.5]])


def learn(checkpoint: Path, steps: int, *, until: int | None = None) -> tuple[nn.Linear, dict[str, object]]:
    """Regress on noisy products with TRUTH, and stop after `until` of the `steps` as a killed program would."""
    torch.manual_seed(0)
    network = nn.Linear(3, 1, bias=False)
    taken = 0

    def step(random: torch.Generator, update: Update) -> dict[str, Tensor]:
        nonlocal taken
        if until is not None and taken == until:
            raise KeyboardInterrupt
        taken += 1
        x = torch.randn(16, 3, generator=random)
        loss = (network(x) - x @ TRUTH.T).square().mean()
        update("line", loss)
        return {"loss": loss}

    def report() -> Report:
        missed = float((network.weight.detach() - TRUTH).norm())
        return Report(f"{missed:.3f}", missed)

    facts = train(
        {"line": network},
        step,
        checkpoint,
        budget=Budget(steps, None, 10),
        rates=Rates(0.05, 0.0),
        seed=3,
        device=torch.device("cpu"),
        report=report,
    )
    return network, facts


def test_it_learns_and_says_how_well(tmp_path: Path) -> None:
    network, facts = learn(tmp_path / "a.pt", 300)
    torch.testing.assert_close(network.weight, TRUTH, atol=0.05, rtol=0)
    assert facts["steps"] == 300


def test_a_stopped_training_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole, _ = learn(tmp_path / "whole.pt", 40)
    with pytest.raises(KeyboardInterrupt):
        learn(tmp_path / "parts.pt", 40, until=25)
    parts, facts = learn(tmp_path / "parts.pt", 40)
    assert facts["steps"] == 40
    torch.testing.assert_close(parts.weight, whole.weight, atol=0, rtol=0)


def test_the_best_averaged_weights_are_kept(tmp_path: Path) -> None:
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    reports = iter((3.0, 1.0, 2.0))
    seen: list[float] = []

    def step(random: torch.Generator, update: Update) -> dict[str, Tensor]:
        update("line", -network.weight.sum())
        return {}

    def report() -> Report:
        seen.append(float(network.weight.detach()))
        return Report("", next(reports))

    facts = train(
        {"line": network},
        step,
        tmp_path / "kept.pt",
        budget=Budget(30, None, 10),
        rates=Rates(0.1, 0.0),
        seed=0,
        device=torch.device("cpu"),
        report=report,
    )
    assert facts["best_step"] == 20
    assert float(network.weight.detach()) == seen[1]
    assert seen[0] < seen[1] < seen[2]


def test_a_budget_ends_with_what_is_used_up_first() -> None:
    assert Budget(100, None, 1).spent(25, 1e9) == 0.25
    assert Budget(100, 10.0, 1).spent(25, 5.0) == 0.5
    assert Budget(100, 10.0, 1).spent(75, 5.0) == 0.75
    assert Budget(100, 10.0, 1).spent(5, 12.0) == 1
