"""The optimiser's loop on losses whose answers are known."""

import math

import pytest
import torch

from unmask.projection.optimise import Stage, optimise
from unmask.projection.schedules import Ramp

FLAT = Ramp(0.0, 0.0)


def quadratic(centre: torch.Tensor):  # type: ignore[no-untyped-def]
    return lambda x, noise: {"total": (x - centre).square().flatten(1).sum(1)}


def test_finds_the_minimum_of_a_quadratic() -> None:
    centre = torch.tensor([[[1.0, -2.0]], [[0.5, 3.0]]])
    found = optimise(torch.zeros(2, 1, 2), quadratic(centre), Stage(400, 0.05, Ramp(0.05, 0.5)))
    # what so many steps reach; the minimum is known
    assert torch.allclose(found.latents, centre, atol=1e-3)
    assert found.failed_at == (None, None)


def test_a_picture_takes_the_path_it_would_take_alone() -> None:
    torch.manual_seed(0)
    centre, start = torch.randn(3, 4, 5), torch.randn(3, 4, 5)
    stage = Stage(20, 0.1, Ramp(0.1, 0.3))
    together = optimise(start, quadratic(centre), stage).latents
    for i in range(3):
        alone = optimise(start[i : i + 1], quadratic(centre[i : i + 1]), stage).latents
        assert torch.equal(together[i : i + 1], alone)


def test_matches_torch_adam_step_by_step() -> None:
    x = torch.zeros(1, 3, requires_grad=True)
    adam = torch.optim.Adam([x], lr=0.1)
    seen: list[torch.Tensor] = []
    optimise(
        torch.zeros(1, 3),
        quadratic(torch.ones(1, 3)),
        Stage(5, 0.1, FLAT),
        lambda step, losses, latents, noise: seen.append(latents.clone()),
    )
    for step in range(5):
        adam.zero_grad()
        (x - 1).square().sum().backward()
        adam.step()
        assert torch.allclose(seen[step], x.detach())


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_a_non_finite_loss_stops_that_picture_only(poison: float) -> None:
    calls = {"n": 0}

    def losses(x: torch.Tensor, noise: tuple[torch.Tensor, ...]) -> dict[str, torch.Tensor]:
        calls["n"] += 1
        total = (x - 1).square().flatten(1).sum(1)
        if calls["n"] > 5:
            total = torch.stack([total[0], total[1] * poison])
        return {"total": total}

    stage = Stage(30, 0.1, FLAT)
    found = optimise(torch.zeros(2, 1, 3), losses, stage)
    assert found.failed_at == (None, 5)
    assert found.latents.isfinite().all()
    clean = optimise(torch.zeros(1, 1, 3), quadratic(torch.ones(1, 1, 3)), stage)
    assert torch.equal(found.latents[:1], clean.latents)
    five = optimise(torch.zeros(1, 1, 3), quadratic(torch.ones(1, 1, 3)), Stage(5, 0.1, FLAT))
    assert torch.equal(found.latents[1:], five.latents)


def test_all_pictures_failing_ends_the_stage() -> None:
    steps: list[int] = []
    nan = lambda x, noise: {"total": x.flatten(1).sum(1) * math.nan}  # noqa: E731
    found = optimise(torch.ones(2, 1, 3), nan, Stage(9, 0.1, FLAT), lambda step, *_: steps.append(step))
    assert found.failed_at == (0, 0)
    assert steps == []
    assert torch.equal(found.latents, torch.ones(2, 1, 3))


def test_ramp_is_the_reference_one() -> None:
    ramp = Ramp(rampup=0.05, rampdown=0.25)
    for step in range(1000):
        t = step / 1000
        down = min(1.0, (1 - t) / 0.25)
        expected = (0.5 - 0.5 * math.cos(down * math.pi)) * min(1.0, t / 0.05)
        assert ramp.factor(step, 1000) == pytest.approx(expected, rel=1e-12)
    assert ramp.factor(0, 1000) == 0
    assert Ramp(0, 0).factor(7, 10) == 1
