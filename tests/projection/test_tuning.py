"""Pivotal tuning: it minimises, holds what is near, stops at what is not finite, and leaves no trace."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from helpers.linear_generator import LinearGenerator
from helpers.small_stylegan2 import small_stylegan2
from unmask.generators.base import Generator
from unmask.projection.tuning import TuningSettings, neighbours, tune


def loss(weights: nn.Parameter, at: Tensor, wanted: float) -> dict[str, Tensor]:
    """Squared distance of the linear function's value at `at` from `wanted`."""
    return {"total": (weights @ at - wanted).square()[None]}


def test_tuning_reaches_the_minimum_and_locality_holds_what_is_near() -> None:
    here, there = torch.tensor([1.0, 0.0]), torch.tensor([0.6, 0.8])

    def tuned(locality: float) -> nn.Parameter:
        weights = nn.Parameter(torch.zeros(2))
        near = [lambda: loss(weights, there, 0.0)]
        assert tune([weights], lambda: loss(weights, here, 1.0), near, TuningSettings(2000, 0.01, locality)) is None
        return weights

    # Least squares in closed form: without locality Adam only moves along `here`; with it w·here = 1 and w·there = 0.
    free, held = tuned(0.0), tuned(1.0)
    # what so many steps reach; the minimum is known
    assert float(free.detach() @ here) == pytest.approx(1.0, abs=1e-3)
    assert float(free.detach() @ there) == pytest.approx(0.6, abs=1e-3)
    # what so many steps reach; the minimum is known
    assert held.detach().tolist() == pytest.approx([1.0, -0.75], abs=1e-2)


def test_tuning_stops_before_a_step_that_would_not_be_finite() -> None:
    weights = nn.Parameter(torch.ones(1))
    calls: list[int] = []

    def visible() -> dict[str, Tensor]:
        calls.append(1)
        return {"total": weights * (float("nan") if len(calls) == 3 else 1.0)}

    assert tune([weights], visible, [], TuningSettings(5, 0.1, 0.1)) == 2
    assert torch.isfinite(weights).all() and float(weights.detach()) == pytest.approx(0.8, abs=1e-3)


def test_neighbours_lie_on_the_way_to_strangers() -> None:
    latents, strangers = torch.zeros(1, 3, 2), torch.ones(4, 1, 2)
    assert torch.equal(neighbours(latents, strangers, 0.25), torch.full((4, 3, 2), 0.25))


@pytest.mark.parametrize("make", [LinearGenerator, small_stylegan2])
def test_a_generator_is_as_before_after_its_weights_were_tuned(make: Callable[[], Generator]) -> None:
    generator = make()
    w_plus = torch.randn(1, generator.num_ws, generator.w_dim, generator=torch.Generator().manual_seed(0))
    before = generator.synthesize(w_plus)

    def change_and_stop() -> None:
        with generator.tunable() as parameters:
            assert parameters and all(parameter.requires_grad for parameter in parameters)
            with torch.no_grad():
                for parameter in parameters:
                    parameter.add_(0.1)
            assert not torch.allclose(generator.synthesize(w_plus), before)
            generator.synthesize(w_plus).sum().backward()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        change_and_stop()
    assert torch.equal(generator.synthesize(w_plus), before)
    assert not any(parameter.requires_grad or parameter.grad is not None for parameter in generator.parameters())
