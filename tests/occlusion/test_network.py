"""The network of occlusion=auto: its shape, its size and what ships."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors import safe_open

from unmask.occlusion.network import SIZE, WEIGHTS, OcclusionNetwork, shipped_network


@pytest.mark.parametrize(("height", "width"), [(SIZE, SIZE), (64, 96)])
def test_a_logit_for_every_pixel(height: int, width: int) -> None:
    assert OcclusionNetwork().eval()(torch.zeros(2, 3, height, width)).shape == (2, 1, height, width)


def test_every_weight_ships_and_is_finite() -> None:
    network, shipped = OcclusionNetwork(), shipped_network()
    with safe_open(WEIGHTS, framework="pt") as file:
        names = {name for name, value in network.state_dict().items() if value.is_floating_point()}
        assert set(file.keys()) == names
        facts = json.loads(file.metadata()["facts"])
    assert "drawn by the project" in facts["trained_on"]
    assert facts["held_out_iou"] > 0.8
    assert all(bool(value.isfinite().all()) for value in shipped.state_dict().values())
    assert not shipped.training
    assert not any(parameter.requires_grad for parameter in shipped.parameters())


def test_it_is_small() -> None:
    assert WEIGHTS.stat().st_size < 2e6


def test_a_picture_does_not_depend_on_its_neighbours() -> None:
    pictures = torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) * 2 - 1
    # float32: other algorithms for other batch sizes
    torch.testing.assert_close(shipped_network()(pictures)[:1], shipped_network()(pictures[:1]), rtol=1e-4, atol=1e-4)
