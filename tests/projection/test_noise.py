"""Noise maps: the reference projector's numbers, and what an optimisation makes of them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from unmask.projection.noise import noise_penalty, normalise_noise, random_noise
from unmask.projection.optimise import Stage, optimise
from unmask.projection.schedules import Ramp


def test_regulariser_normalisation_and_ramp_equal_the_reference(golden: Path) -> None:
    numbers = np.load(golden / "projector" / "schedule_and_noise_reg.npz")
    sides = [4, 8, 16, 32, 64, 128, 256]
    maps = tuple(torch.from_numpy(numbers[f"in.noise_{side}"]).float()[None, None] for side in sides)
    # float32 against float32; abs for penalties near 0
    assert noise_penalty(maps).item() == pytest.approx(float(numbers["out.reg_total"]), rel=1e-5)
    for side, one in zip(sides, maps, strict=True):
        assert noise_penalty((one,)).item() == pytest.approx(float(numbers[f"out.reg_{side}"]), rel=1e-5, abs=1e-12)
        normalise_noise((one,))
        assert np.allclose(one[0, 0].numpy(), numbers[f"out.normalised_{side}"], rtol=1e-5, atol=1e-6)
    lr = [0.1 * Ramp(0.05, 0.25).factor(step, 1000) for step in range(1000)]
    assert np.allclose(lr, numbers["out.lr_1000"], rtol=1e-12, atol=0)


def test_a_constant_map_is_punished_and_white_noise_hardly() -> None:
    white = torch.randn(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    assert noise_penalty((torch.ones(1, 1, 64, 64),)).item() == pytest.approx(2 * 4)  # 64, 32, 16, 8; two directions
    assert (noise_penalty((white,)) < 0.1).all()
    assert torch.allclose(noise_penalty((white,))[1:], noise_penalty((white[1:],)))


def test_random_noise_is_a_picture_s_own() -> None:
    maps = (torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 16, 16))
    both = random_noise(maps, ("a", "b"), seed=0)
    assert [one.shape for one in both] == [(2, 1, 8, 8), (2, 1, 16, 16)]
    alone = random_noise(maps, ("b",), seed=0)
    assert all(torch.equal(x[1:], y) for x, y in zip(both, alone, strict=True))
    assert random_noise((), ("a",), seed=0) == ()


def test_noise_is_optimised_beside_the_latents_and_stays_normal() -> None:
    target = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    normalise_noise((target,))
    start = random_noise((torch.zeros(1, 1, 8, 8),), ("a",), seed=0)

    def losses(x: torch.Tensor, noise: tuple[torch.Tensor, ...]) -> dict[str, torch.Tensor]:
        return {"total": (noise[0] - target).square().mean((1, 2, 3)) + x.square().flatten(1).sum(1)}

    found = optimise(torch.ones(1, 1, 3), losses, Stage(150, 0.1, Ramp(0.0, 0.5)), noise=start)
    assert (found.noise[0] - target).square().mean() < 0.05 * (start[0] - target).square().mean()
    # float32: the mean was subtracted
    assert found.noise[0].mean().abs() < 1e-6
    assert found.noise[0].square().mean().item() == pytest.approx(1.0, abs=1e-5)
    assert found.latents.abs().max() < 0.1
