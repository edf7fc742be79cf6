"""Several answers of a projection: the first is the single one, the others share the visible part only."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from helpers.linear_generator import LinearGenerator
from helpers.small_stylegan2 import small_stylegan2
from unmask.config import Init, LatentSpaceName, StyleGANProjConfig
from unmask.errors import UnmaskError
from unmask.faces import Faces, StepReport
from unmask.generators.base import Generator
from unmask.methods.stylegan_proj import StyleGANProjection

CPU = torch.device("cpu")
CONFIG = StyleGANProjConfig(
    name="stylegan_proj",
    init=Init.mean,
    latent_space=LatentSpaceName.w,
    lambda_pixel=1.0,
    lambda_perceptual=0.0,
    lambda_identity=0.0,
    lambda_anchor=0.02,
    layer_shrinkage=0.0,
    focus=0.0,
    w_steps=3,
    steps=2,
    compile=False,
)


def method(generator: Generator, **changes: object) -> StyleGANProjection:
    return StyleGANProjection(dataclasses.replace(CONFIG, **changes), generator, CPU, seed=0)  # type: ignore[arg-type]


def people(generator: Generator, ids: tuple[str, ...]) -> Faces:
    """Of the generator itself, all but a corner hidden."""
    w = 0.3 * generator.map(torch.randn(len(ids), generator.z_dim, generator=torch.Generator().manual_seed(4)))
    with torch.no_grad():
        clean = generator.synthesize(w[:, None].expand(-1, generator.num_ws, -1)).clamp(-1, 1)
    hole = torch.ones(len(ids), 1, generator.resolution, generator.resolution)
    hole[..., :2, :2] = 0
    return Faces(ids, torch.where(hole > 0, torch.tensor(0.5), clean), hole, hole, clean)


@pytest.fixture(scope="module")
def linear() -> LinearGenerator:
    return LinearGenerator()


@pytest.fixture(scope="module")
def faces(linear: LinearGenerator) -> Faces:
    return people(linear, ("a", "b", "c"))


@pytest.mark.parametrize("space", list(LatentSpaceName))
def test_the_first_answer_is_the_single_one_to_the_bit(
    linear: LinearGenerator, faces: Faces, space: LatentSpaceName
) -> None:
    settings = {"latent_space": space, "w_noise": 0.05, "render_full": True}
    single = method(linear, **settings).unmask(faces)
    several = method(linear, num_samples=3, **settings).unmask(faces)
    assert single.samples is None
    assert several.samples is not None and several.samples.shape == (3, 3, 3, 16, 16)
    for name in ("raw", "w_plus", "full"):
        one, first = getattr(single, name), getattr(several, name)
        assert one is not None and torch.equal(one, first), name
    assert torch.equal(several.samples[:, 0], several.raw)
    assert several.samples.abs().max() <= 1


def test_noise_maps_start_alike_in_all_answers() -> None:
    generator = small_stylegan2()
    faces = people(generator, ("a", "b"))
    several = method(generator, num_samples=2, sample_spread=0.0, shrink_full=False).unmask(faces)
    assert several.samples is not None
    assert torch.equal(several.samples[:, 1], several.raw)
    spread = method(generator, num_samples=2, shrink_full=False).unmask(faces)
    assert torch.equal(spread.raw, several.raw)
    assert spread.samples is not None and not torch.equal(spread.samples[:, 1], several.raw)


def test_answers_agree_where_the_picture_is_seen_and_differ_where_it_is_hidden(
    linear: LinearGenerator, faces: Faces
) -> None:
    found = method(linear, num_samples=4, shrink_full=False).unmask(faces).samples
    assert found is not None
    hidden = (faces.hole > 0).expand(-1, 3, -1, -1)
    deviation = found.std(1)
    assert deviation[hidden].mean() > 4 * deviation[~hidden].mean()


def test_an_answer_does_not_depend_on_its_neighbours_and_differs_from_theirs(
    linear: LinearGenerator, faces: Faces
) -> None:
    projection = method(linear, num_samples=3)
    together, alone = projection.unmask(faces).samples, projection.unmask(faces[1]).samples
    assert together is not None and alone is not None
    # float32: rounding, amplified by Adam's steps of 0.05; a picture that saw its neighbour moves by whole steps
    torch.testing.assert_close(together[1:2], alone, atol=1e-4, rtol=0)
    offsets = (together[:, 1:] - together[:, :1]).flatten(0, 1)
    assert torch.cdist(offsets.flatten(1), offsets.flatten(1)).fill_diagonal_(9.0).min() > 0.5


def test_steps_are_counted_within_each_answer(linear: LinearGenerator, faces: Faces) -> None:
    seen: list[tuple[int, int, int]] = []

    def watch(report: StepReport) -> None:
        seen.append((report.answer, report.taken, report.total))
        assert report.render().shape == (1, 3, 16, 16)

    method(linear, num_samples=3).unmask(faces[0], on_step=watch)
    assert seen == [(answer, taken, 5) for answer in range(3) for taken in range(6)]


def test_a_picture_fails_with_any_of_its_answers(linear: LinearGenerator, faces: Faces) -> None:
    config = dataclasses.replace(CONFIG, num_samples=2)
    config.sample_spread = float("inf")  # no range check: it stands for whatever makes the others fail
    found = StyleGANProjection(config, linear, CPU, seed=0).unmask(faces)
    assert found.ids == ()
    assert found.samples is not None and found.samples.shape == (0, 2, 3, 16, 16)
    assert [failure.id for failure in found.failures] == ["a", "b", "c"]
    assert "step 0 in W of sample 1;" in found.failures[0].reason

    masked = faces.masked.clone()
    masked[1, :, 0, 0] = float("nan")
    found = method(linear, num_samples=2).unmask(dataclasses.replace(faces, masked=masked))
    assert found.ids == ("a", "c")
    assert found.samples is not None and found.samples.shape[:2] == (2, 2)
    assert [failure.id for failure in found.failures] == ["b"]
    assert "step 0 in W;" in found.failures[0].reason


def test_there_is_at_least_one_answer(linear: LinearGenerator) -> None:
    with pytest.raises(UnmaskError, match=r"method\.num_samples=0"):
        method(linear, num_samples=0)
