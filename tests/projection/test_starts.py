"""Starts on a generator whose inverse is known."""

from pathlib import Path

import pytest
import torch

from helpers.linear_generator import LinearGenerator
from unmask.errors import UnmaskError
from unmask.projection import latents, starts
from unmask.projection.regression import PictureModel, fit_picture_model

CPU = torch.device("cpu")


def test_a_random_start_does_not_depend_on_the_neighbours() -> None:
    generator = LinearGenerator()
    both = starts.random_start(generator, CPU, ("a", "b"), 0)
    assert torch.allclose(starts.random_start(generator, CPU, ("b",), 0), both[1:])
    assert not torch.allclose(both[0], both[1])
    assert not torch.allclose(starts.random_start(generator, CPU, ("b",), 1), both[1:])


def _candidates(generator: LinearGenerator, count: int, size: int = 8) -> starts.Candidates:
    statistics = latents.statistics_of(latents.sample_w(generator, CPU))
    return starts.render_candidates(generator, statistics, count=count, truncation_psi=1.0, size=size, seed=3)


def test_search_finds_the_candidate_itself() -> None:
    generator = LinearGenerator()
    candidates = _candidates(generator, 20)
    target = generator.synthesize(candidates.w[7:8, None].expand(-1, generator.num_ws, -1))
    visible = torch.ones(1, 1, generator.resolution, generator.resolution)
    visible[..., 8:, :] = 0
    assert torch.equal(starts.search_start(candidates, target, visible, best=1)[0], candidates.w[7])


def test_search_does_not_look_into_the_hole() -> None:
    generator = LinearGenerator()
    candidates = _candidates(generator, 20)
    target = generator.synthesize(candidates.w[7:8, None].expand(-1, generator.num_ws, -1))
    visible = torch.ones(1, 1, generator.resolution, generator.resolution)
    visible[..., 8:, :] = 0
    spoiled = torch.where(visible > 0, target, torch.full_like(target, 9.0))
    assert torch.equal(
        starts.search_start(candidates, target, visible, best=3),
        starts.search_start(candidates, spoiled, visible, best=3),
    )


def test_regression_recovers_w_of_a_linear_generator() -> None:
    generator = LinearGenerator()
    candidates = _candidates(generator, 60, size=generator.resolution)
    model = fit_picture_model(candidates.w, candidates.thumbnails, components=6)
    w = generator.map(torch.randn(2, generator.z_dim, generator=torch.Generator().manual_seed(8)))
    target = generator.synthesize(w[:, None].expand(-1, generator.num_ws, -1))
    visible = torch.ones(2, 1, generator.resolution, generator.resolution)
    visible[..., 10:, :] = 0
    target = torch.where(visible > 0, target, torch.full_like(target, 5.0))
    found = model.expected_w(target, visible, ridge=1e-9)
    assert torch.allclose(found, w, atol=1e-2)
    shy = model.expected_w(target, visible, ridge=1e9)
    assert torch.allclose(shy, model.w_centre.expand(2, -1), atol=1e-3)


def test_a_picture_model_survives_saving(tmp_path: Path) -> None:
    candidates = _candidates(LinearGenerator(), 20)
    model = fit_picture_model(candidates.w, candidates.thumbnails, components=4)
    model.save(tmp_path / "m.safetensors")
    again = PictureModel.load(tmp_path / "m.safetensors")
    # kept in float16, 2^-11 of each number
    assert torch.allclose(again.basis, model.basis, atol=2e-3)
    with pytest.raises(UnmaskError, match=r"absent\.safetensors"):
        PictureModel.load(tmp_path / "absent.safetensors")


def test_the_expected_w_has_no_trace_of_the_hidden_pixels() -> None:
    generator = LinearGenerator()
    candidates = _candidates(generator, 40)
    model = fit_picture_model(candidates.w, candidates.thumbnails, components=6)
    picture = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    visible = torch.ones(1, 1, 16, 16)
    visible[..., 7:, 5:12] = 0
    repainted = torch.where(visible > 0, picture, torch.full_like(picture, -9.0))
    found = [model.expected_w(one, visible, ridge=1e-4) for one in (picture, repainted)]
    assert torch.equal(*found)
