"""The draws of several answers against the posterior in closed form."""

from __future__ import annotations

import pytest
import torch

from helpers.linear_generator import LinearGenerator
from unmask.projection.regression import PictureModel, fit_picture_model
from unmask.projection.sampling import draw_move
from unmask.seeds import picture_generators

SIZE = LinearGenerator.resolution
RIDGE = 1e-3
MANY = tuple(f"{index:05d}" for index in range(4000))


@pytest.fixture(scope="module")
def model() -> PictureModel:
    """Of the linear generator, whose pictures have six components."""
    generator = LinearGenerator()
    w = generator.map(torch.randn(200, generator.z_dim, generator=torch.Generator().manual_seed(1)))
    return fit_picture_model(w, generator.synthesize(w[:, None].expand(-1, generator.num_ws, -1)), components=6)


def seen(count: int = 1) -> torch.Tensor:
    """All but the upper left corner hidden: four pixels, three numbers, for six components."""
    visible = torch.zeros(count, 1, SIZE, SIZE)
    visible[..., :2, :2] = 1
    return visible


def draw(
    model: PictureModel, ids: tuple[str, ...], sample: int = 1, *, spread: float = 1.0, seed: int = 0
) -> torch.Tensor:
    return draw_move(model, seen(len(ids)), ids, sample=sample, spread=spread, ridge=RIDGE, seed=seed)[:, 0]


def posterior(model: PictureModel) -> torch.Tensor:
    """The covariance of w given the visible pixels of `seen`, by the textbook: prior 1, noise of a variance."""
    design = model.basis[:, :, :2, :2].flatten(1).T.double()
    noise = RIDGE * model.basis.square().sum(0).mean().double() * len(design)
    coefficients = torch.linalg.inv(torch.eye(6).double() + design.T @ design / noise)
    return model.w_basis.T.double() @ coefficients @ model.w_basis.double()


def test_draws_are_a_root_of_the_posteriors_covariance(model: PictureModel) -> None:
    root = model.posterior_moves(seen(6), torch.eye(6), ridge=RIDGE).double()
    # float32: a factor times itself
    torch.testing.assert_close(root.T @ root, posterior(model), atol=1e-5, rtol=1e-4)


def test_mean_and_covariance_over_many_pictures(model: PictureModel) -> None:
    found = draw(model, MANY[:2000], spread=0.5).double()
    wanted = 0.25 * posterior(model)
    assert (found.mean(0).abs() < 5 * wanted.diagonal().sqrt() / 2000**0.5).all()
    scale = wanted.diagonal().sqrt()
    assert ((torch.cov(found.T) - wanted) / (scale[:, None] * scale)).abs().max() < 5 / 2000**0.5


def test_a_draw_is_made_with_the_pictures_own_seed(model: PictureModel) -> None:
    noise = torch.randn(6, generator=picture_generators(5, ["a"], "sample/3")[0])[None]
    expected = 0.7 * model.posterior_moves(seen(), noise, ridge=RIDGE)
    torch.testing.assert_close(draw(model, ("a",), 3, spread=0.7, seed=5), expected)
    assert not draw(model, ("a",), 3, spread=0.0).any()


def test_answers_pictures_and_seeds_have_nothing_in_common(model: PictureModel) -> None:
    found = torch.cat([draw(model, ("a", "b")), draw(model, ("a", "b"), 2), draw(model, ("a", "b"), seed=1)])
    assert torch.pdist(found).min() > 0.05


def test_a_draw_depends_neither_on_neighbours_nor_on_their_order(model: PictureModel) -> None:
    together = draw(model, ("a", "b", "c"), 2)
    assert torch.equal(draw(model, ("b",), 2), together[1:2])
    assert torch.equal(draw(model, ("c", "a"), 2), together[[2, 0]])


def test_draws_change_what_is_hidden_and_not_what_is_seen(model: PictureModel) -> None:
    generator = LinearGenerator()
    changed = generator.synthesize(draw(model, MANY[:50])[:, None].expand(-1, generator.num_ws, -1))
    assert changed[..., :2, :2].std() < 0.1 * changed[..., 2:, :].std()
