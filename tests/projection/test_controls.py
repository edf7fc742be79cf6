"""Controls: closed forms on linear models, and what a wish may not change."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor

from helpers.linear_generator import LinearGenerator
from unmask.config import StyleGANProjConfig
from unmask.errors import UnmaskError
from unmask.faceanalysis import Detection
from unmask.faces import Faces
from unmask.methods.stylegan_proj import StyleGANProjection
from unmask.projection.beards import Beards
from unmask.projection.controls import (
    CONTROLS,
    Controls,
    fit_controls,
    likeliest_moves,
    unexplained_covariance,
)
from unmask.projection.initialisation import Initialisation
from unmask.projection.regression import fit_picture_model, visible_thumbnails
from unmask.projection.traits import Traits
from unmask.projection.wishes import Wishes

CPU = torch.device("cpu")
RIDGE = 1e-4


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Brightness(Traits):
    """Mouths are as open as the hidden quarter is bright: linear in the picture."""

    def measure(self, picture: Tensor, names: tuple[str, ...], face: Detection) -> Tensor:
        hidden = picture[0, :, 8:, 8:].mean()
        return torch.stack([{"mouth_open": hidden, "age": hidden * 2 + 1}[name] for name in names])


def brightness() -> Brightness:
    return Brightness(Controls((), torch.zeros(1), torch.zeros(0), torch.zeros(0, 1)), lambda: None)  # type: ignore[arg-type, return-value]


@pytest.fixture(scope="module")
def prior() -> LinearGenerator:
    """Its last number of w acts in the hidden quarter alone."""
    prior = LinearGenerator()
    prior.basis[:, -1] = 0.2 * hole()
    return prior


def hole() -> Tensor:
    where = torch.zeros(1, 1, 16, 16)
    where[..., 8:, 8:] = 1
    return where


def wishes_of(prior: LinearGenerator, names: tuple[str, ...], asked: dict[str, float]) -> Wishes:
    w = 0.5 * random(400, 6)
    pictures = prior.synthesize(w[:, None].expand(-1, 2, -1))
    attributes = torch.stack([brightness().measure(one[None], names, None) for one in pictures])  # type: ignore[arg-type]
    model = fit_picture_model(w, pictures, 6)
    controls = fit_controls(names, w, attributes, ridge=1e-6)
    return Wishes(asked, controls, brightness(), model, unexplained_covariance(model, w), RIDGE)


def test_the_fit_finds_a_linear_law() -> None:
    w, law = random(200, 5), random(2, 5, seed=1)
    found = fit_controls(("smile", "age"), w, w @ law.T + 3, ridge=1e-6)
    torch.testing.assert_close(found.gradients, law, atol=1e-4, rtol=0)
    torch.testing.assert_close(found.expected(w[:7]), w[:7] @ law.T + 3, atol=1e-4, rtol=0)
    torch.testing.assert_close(found.only(("age",)).expected(w[0]), found.expected(w[0])[1:])


def test_moves_are_the_conditional_mean_of_a_gaussian() -> None:
    half, gradients = random(5, 5, seed=2), random(2, 5, seed=3)
    covariance = half @ half.T
    moves = likeliest_moves(gradients, gradients @ covariance)
    torch.testing.assert_close(gradients @ moves.T, torch.eye(2), atol=1e-4, rtol=0)
    other = moves[0] + (torch.eye(5) - gradients.T @ torch.linalg.pinv(gradients.T)) @ random(5, seed=4)
    length = [float(move @ torch.linalg.solve(covariance, move)) for move in (moves[0], other)]
    assert length[0] < length[1]


def test_what_components_tell_and_do_not_tell_make_up_the_variance_of_w() -> None:
    w = random(4000, 6) * torch.tensor([3.0, 1.0, 1.0, 0.5, 2.0, 1.0])
    pictures = torch.zeros(4000, 3, 2, 2)
    pictures[:, :, 0, 0] = w[:, :3]  # the first three are seen, the others are not
    model = fit_picture_model(w, pictures, 3)
    torch.testing.assert_close(
        unexplained_covariance(model, w) + model.w_basis.T @ model.w_basis, torch.cov(w.T), atol=0.05, rtol=0
    )


def test_posterior_covariance_is_that_of_the_draws(prior: LinearGenerator) -> None:
    w = 0.5 * random(400, 6)
    model = fit_picture_model(w, prior.synthesize(w[:, None].expand(-1, 2, -1)), 5)
    visible = 1 - hole()
    draws = torch.cat([model.posterior_moves(visible, random(1, 5, seed=s), ridge=1.0) for s in range(2000)])
    _, (where,) = visible_thumbnails(torch.zeros(1, 3, 16, 16), visible, model.centre)
    found = model.posterior_covariance(where, torch.eye(6), ridge=1.0)
    torch.testing.assert_close(found, torch.cov(draws.T), atol=0.15 * float(found.diagonal().max()), rtol=0)


@pytest.mark.parametrize("value", [-0.1, 0.0, 0.2])
def test_asked_is_measured_exactly_and_the_visible_part_stays(
    prior: LinearGenerator, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    monkeypatch.setattr("unmask.projection.wishes.face_in", lambda _: None)
    start = 0.3 * random(1, 2, 6, seed=5)
    visible = 1 - hole()
    before = prior.synthesize(start)
    wishes = wishes_of(prior, ("mouth_open",), {"mouth_open": value})
    granted = wishes.grant(start, prior.synthesize, before, visible)
    after = prior.synthesize(granted.w)
    assert granted.reached["mouth_open"] == pytest.approx(value, abs=1e-3)
    assert float(after[:, :, 8:, 8:].mean()) == pytest.approx(value, abs=1e-3)
    assert wishes.shortfall(granted.reached) is None
    naive = wishes.controls.gradients[0] / wishes.controls.gradients[0].square().sum()
    amount = value - float(before[:, :, 8:, 8:].mean())
    moved = prior.synthesize(start + amount * naive)
    changed = [float(((one - before) * visible).square().mean()) for one in (after, moved)]
    assert changed[0] < changed[1]


def test_what_is_not_reached_is_said(prior: LinearGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unmask.projection.wishes.face_in", lambda _: None)
    start = torch.zeros(1, 2, 6)
    wishes = wishes_of(prior, ("mouth_open",), {"mouth_open": 50.0})
    granted = wishes.grant(start, prior.synthesize, prior.synthesize(start), 1 - hole())
    assert granted.reached["mouth_open"] < 49
    remark = wishes.shortfall(granted.reached)
    assert remark is not None and "method.mouth_open=50" in remark


CONFIG = StyleGANProjConfig(
    name="stylegan_proj",
    lambda_perceptual=0.0,
    lambda_identity=0.0,
    focus=0.0,
    w_steps=2,
    steps=1,
    compile=False,
    precision="32-true",
    candidates=40,
)


def people(prior: LinearGenerator) -> Faces:
    w = 0.3 * random(2, 6, seed=4)
    clean = prior.synthesize(w[:, None].expand(-1, 2, -1)).clamp(-1, 1)
    where = hole().expand(2, -1, -1, -1)
    return Faces(("a", "b"), torch.where(where > 0, torch.tensor(0.5), clean), where, where, clean)


def test_a_wish_survives_the_steps_and_is_said_where_it_cannot(
    prior: LinearGenerator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("unmask.projection.wishes.face_in", lambda _: None)
    monkeypatch.setattr("unmask.projection.initialisation.load_traits", lambda _: brightness())
    file = tmp_path / "controls.safetensors"
    wishes_of(prior, ("mouth_open", "age"), {"mouth_open": 0.0}).controls.save(file, {})
    config = dataclasses.replace(CONFIG, mouth_open=0.2, controls=str(file))
    made = StyleGANProjection(config, prior, CPU, seed=0).unmask(people(prior))
    assert made.raw[:, :, 8:, 8:].mean((1, 2, 3)) == pytest.approx([0.2, 0.2], abs=0.01)
    assert made.remarks == ()


def test_without_a_wish_nothing_is_loaded(prior: LinearGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("controls were asked for")

    monkeypatch.setattr(Initialisation, "controls", property(never))
    assert StyleGANProjection(CONFIG, prior, CPU, seed=0).unmask(people(prior)).remarks == ()


def test_a_lost_beard_is_said_and_a_kept_or_unlikely_one_is_not() -> None:
    by_embedding = Controls(("beard",), torch.zeros(2), torch.zeros(1), torch.tensor([[1.0, 0.0]]))
    traits = Traits(by_embedding, lambda: lambda picture: picture.mean((2, 3))[:, :2])  # type: ignore[arg-type, return-value]
    expected = torch.tensor([[0.3, 9.0], [0.3, 9.0], [0.05, 9.0]])
    pictures = torch.tensor([0.0, 0.4, 0.0])[:, None, None, None].expand(-1, 3, 8, 8)
    (doubt,) = Beards(traits).doubts(("shaven", "kept", "unlikely"), expected, pictures)
    assert doubt.id == "shaven" and "method.beard" in doubt.reason


@pytest.mark.parametrize(("name", "value"), [("mouth_open", 0.7), ("smile", -0.3), ("beard", 1.1), ("age", -1.0)])
def test_ranges_are_checked(name: str, value: float) -> None:
    with pytest.raises(UnmaskError, match=rf"method\.{name}={value}"):
        dataclasses.replace(CONFIG, **{name: value})  # type: ignore[arg-type]


def test_files_come_back_and_others_are_refused(tmp_path: Path) -> None:
    controls = fit_controls(CONTROLS, random(50, 6), random(50, 4, seed=1))
    controls.save(tmp_path / "a", {})
    back = Controls.load(tmp_path / "a", 6)
    assert back.names == CONTROLS and torch.equal(back.gradients, controls.gradients)
    with pytest.raises(UnmaskError, match="6 numbers, but this one has 512"):
        Controls.load(tmp_path / "a", 512)
    (tmp_path / "b").write_bytes(b"no such thing")
    with pytest.raises(UnmaskError, match=r"scripts/fit_controls\.py"):
        Controls.load(tmp_path / "b", 6)
