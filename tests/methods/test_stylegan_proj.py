"""The projection as a whole: recovery, independence of neighbours, repeatability, failures."""

import copy
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from helpers.linear_generator import LinearGenerator
from helpers.random_vgg import random_vgg
from unmask.config import Init, LatentSpaceName, MobileStyleGANConfig, StyleGANProjConfig
from unmask.errors import UnmaskError
from unmask.faces import Faces, StepReport
from unmask.generators.base import Generator
from unmask.generators.mobilestylegan import MobileStyleGAN
from unmask.images import blur, resize
from unmask.kinds import PixelLoss
from unmask.methods.stylegan_proj import StyleGANProjection
from unmask.networks.face_embedding import FaceEmbedding
from unmask.networks.vgg import VGG16Features
from unmask.projection.encoder import LatentEncoder
from unmask.projection.identity import ExpectedIdentity, blanked

CPU = torch.device("cpu")
PLAIN = StyleGANProjConfig(
    name="stylegan_proj",
    init=Init.mean,
    perceptual_layers=["relu1_2", "relu2_2"],
    perceptual_window=1.0,
    lambda_pixel=4.0,
    lambda_perceptual=0.0,
    lambda_identity=0.0,
    lambda_prior=0.0,
    lambda_spread=0.0,
    lambda_anchor=0.0,
    layer_shrinkage=0.0,
    w_steps=0,
    steps=0,
    rampup=0.0,
    shrink_full=False,
    precision="32-true",
    compile=False,
)


@pytest.fixture(autouse=True)
def no_pretrained_vgg(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested here holds for any kernels."""
    monkeypatch.setattr(
        VGG16Features, "pretrained", classmethod(lambda cls, layers, dtype=None: random_vgg(layers, dtype))
    )


def people(generator: Generator, psi: float = 0.5) -> Faces:
    """Three of the generator's own people with a part of the lower half hidden."""
    size = generator.resolution
    z = torch.randn(3, generator.z_dim, generator=torch.Generator().manual_seed(77))
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        mean = generator.map(torch.randn(2000, generator.z_dim, generator=rng)).mean(0)
        w = mean + psi * (generator.map(z) - mean)
        clean = generator.synthesize(w[:, None].expand(-1, generator.num_ws, -1)).clamp(-1, 1)
    hole = torch.zeros(3, 1, size, size)
    hole[..., size * 70 // 128 : size * 110 // 128, size * 36 // 128 : size * 92 // 128] = 1
    masked = torch.where(hole > 0, torch.tensor([0.1, 0.4, 0.8]).view(1, 3, 1, 1), clean)
    return Faces(("a", "b", "c"), masked, hole, hole, clean)


@pytest.fixture(scope="module")
def linear() -> LinearGenerator:
    return LinearGenerator()


@pytest.fixture(scope="module")
def faces(linear: LinearGenerator) -> Faces:
    return people(linear)


@pytest.fixture
def encoder_path(linear: LinearGenerator, tmp_path: Path) -> Path:
    """An encoder for the linear generator with random weights: a first layer of its own, one w for the others."""
    torch.manual_seed(5)
    network = LatentEncoder((0, 1), linear.num_ws, linear.w_dim)
    torch.nn.init.normal_(network.last.weight, 0.0, 0.1)
    network.save(tmp_path / "encoder.safetensors", {})
    return tmp_path / "encoder.safetensors"


def method(generator: Generator, *, seed: int = 0, **changes: object) -> StyleGANProjection:
    config = dataclasses.replace(PLAIN, **changes)  # type: ignore[arg-type]
    return StyleGANProjection(config, generator, CPU, seed=seed)


def psnr(a: torch.Tensor, b: torch.Tensor, where: torch.Tensor) -> float:
    error = ((a - b).square() * where).sum() / (3 * where.sum())
    return float(-10 * torch.log10(error / 4))


@pytest.fixture(scope="module")
def prior() -> MobileStyleGAN:
    return MobileStyleGAN.build(MobileStyleGANConfig(), 128)


@pytest.mark.weights
@pytest.mark.slow
def test_picture_to_latent_and_back_on_the_prior_s_own_people(prior: MobileStyleGAN) -> None:
    one = people(prior)[0]
    mean_face = method(prior).unmask(one)
    start = method(prior, init=Init.regression).unmask(one)
    found = method(prior, init=Init.regression, w_steps=30, rampup=0.05).unmask(one)
    clean = one.clean
    assert clean is not None
    far, near, after = (psnr(each.raw, clean, one.visible) for each in (mean_face, start, found))
    assert near > far + 4 and after > near + 8 and after > 29, (far, near, after)
    # The hidden part was never shown, yet it comes back with the rest.
    far, near, after = (psnr(each.raw, clean, one.hole) for each in (mean_face, start, found))
    assert near > far + 2 and after > near + 2, (far, near, after)


@pytest.mark.weights
@pytest.mark.slow
def test_the_default_recipe_draws_no_random_numbers(prior: MobileStyleGAN) -> None:
    """The study's failure was the random first face: here another seed changes not a bit."""
    quick = {"w_steps": 2, "steps": 1, "perceptual_layers": ["relu1_2", "relu2_2"], "compile": False}
    default = StyleGANProjConfig(name="stylegan_proj", precision="32-true", **quick)  # type: ignore[arg-type]
    one = people(prior)[0]
    first, other = (StyleGANProjection(default, prior, CPU, seed=seed).unmask(one).raw for seed in (0, 1))
    assert torch.equal(first, other)


@pytest.mark.weights
@pytest.mark.slow
def test_the_result_has_the_detail_of_the_full_render_and_the_colours_of_the_head(prior: MobileStyleGAN) -> None:
    one = people(prior)[0]
    from_the_head = method(prior).unmask(one)
    assert from_the_head.full is None
    found = method(prior, shrink_full=True, render_full=True).unmask(one)
    assert found.full is not None and found.full.shape == (1, 3, 1024, 1024)
    head, full = from_the_head.raw, resize(found.full, 128).clamp(-1, 1)

    def apart(a: torch.Tensor, b: torch.Tensor) -> float:
        return float((a - b).square().mean())

    coarse = [blur(picture, 4.0) for picture in (found.raw, head, full)]
    assert apart(coarse[0], coarse[1]) < 0.1 * apart(coarse[2], coarse[1])
    torch.testing.assert_close(found.raw, (full + blur(head - full, 1.0)).clamp(-1, 1))
    assert not torch.allclose(found.raw, head, atol=0.02)


@pytest.fixture
def double_precision() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.weights
@pytest.mark.slow
@pytest.mark.usefixtures("double_precision")
def test_a_picture_does_not_depend_on_its_neighbours_on_the_prior(prior: MobileStyleGAN) -> None:
    # In single precision convolutions of three pictures round differently from those of one, and Adam's first steps
    # are as long for a gradient of rounding's size as for any other.
    exact = copy.deepcopy(prior).double()
    projection, faces = method(exact, w_steps=2, steps=1, init=Init.random), people(exact)
    together, alone = projection.unmask(faces), projection.unmask(faces[1])
    assert together.w_plus is not None and alone.w_plus is not None
    torch.testing.assert_close(together.w_plus[1:2], alone.w_plus, atol=1e-5, rtol=0)
    torch.testing.assert_close(together.raw[1:2], alone.raw, atol=1e-5, rtol=0)


@pytest.mark.parametrize("init", list(Init))
def test_a_picture_does_not_depend_on_its_neighbours(
    linear: LinearGenerator, faces: Faces, encoder_path: Path, init: Init
) -> None:
    weights = {"lambda_perceptual": 0.5, "lambda_prior": 0.01, "lambda_spread": 0.02, "lambda_anchor": 0.03}
    projection = method(linear, init=init, encoder=str(encoder_path), candidates=20, w_steps=5, steps=5, **weights)
    together, alone = projection.unmask(faces), projection.unmask(faces[1])
    assert together.w_plus is not None and alone.w_plus is not None
    # float32: rounding, amplified by Adam's steps of 0.05; a picture that saw its neighbour moves by whole steps
    torch.testing.assert_close(together.w_plus[1:2], alone.w_plus, atol=1e-4, rtol=0)
    torch.testing.assert_close(together.raw[1:2], alone.raw, atol=1e-4, rtol=0)


def test_the_same_seed_gives_the_same_result_twice_and_another_does_not(linear: LinearGenerator, faces: Faces) -> None:
    first, second, other = (
        method(linear, seed=seed, init=Init.random, w_steps=2, steps=1).unmask(faces[0]).raw for seed in (0, 0, 1)
    )
    assert torch.equal(first, second)
    assert not torch.allclose(first, other, atol=0.05)


@pytest.mark.parametrize("init", list(Init))
def test_the_hidden_pixels_are_not_looked_at(
    linear: LinearGenerator, faces: Faces, encoder_path: Path, init: Init
) -> None:
    one = faces[0]
    repainted = dataclasses.replace(one, masked=torch.where(one.hole > 0, -one.masked, one.masked))
    settings = {
        "init": init,
        "encoder": str(encoder_path),
        "candidates": 20,
        "w_steps": 2,
        "steps": 1,
        "lambda_perceptual": 0.5,
    }
    blind = method(linear, **settings)
    assert torch.equal(blind.unmask(one).raw, blind.unmask(repainted).raw)
    seeing = method(linear, use_occlusion=False, **settings)
    assert not torch.equal(seeing.unmask(one).raw, seeing.unmask(repainted).raw)


@pytest.mark.parametrize("kind", list(PixelLoss))
def test_every_pixel_loss_goes_down(linear: LinearGenerator, faces: Faces, kind: PixelLoss) -> None:
    values: list[float] = []

    def watch(report: StepReport) -> None:
        values.extend(map(float, report.losses.get("total", ())))  # there is none at the start

    method(linear, pixel_loss=kind, w_steps=8).unmask(faces[0], on_step=watch)
    assert len(values) == 8
    assert values == sorted(values, reverse=True)


def test_steps_are_counted_over_both_stages_and_pictures_can_be_rendered(linear: LinearGenerator, faces: Faces) -> None:
    seen: list[tuple[int, int]] = []

    def watch(report: StepReport) -> None:
        seen.append((report.taken, report.total))
        assert set(report.losses) == (set() if report.taken == 0 else {"pixel", "total"})
        assert report.render().shape == (1, 3, linear.resolution, linear.resolution)

    method(linear, w_steps=2, steps=2).unmask(faces[0], on_step=watch)
    assert seen == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]


def test_layers_that_act_only_at_full_resolution_follow_the_last_active_one(
    linear: LinearGenerator, faces: Faces
) -> None:
    found = method(linear, w_steps=1, steps=2).unmask(faces[0])
    assert found.w_plus is not None and found.w_plus.shape == (1, linear.num_ws, linear.w_dim)
    active = linear.num_active_ws
    assert active < linear.num_ws
    for layer in range(active, linear.num_ws):
        assert torch.equal(found.w_plus[:, layer], found.w_plus[:, active - 1])
    assert not torch.equal(found.w_plus[:, 0], found.w_plus[:, 1])


def test_the_steps_of_w_plus_start_where_w_ended(linear: LinearGenerator, faces: Faces) -> None:
    in_w = method(linear, w_steps=3).unmask(faces[0]).w_plus
    assert in_w is not None and torch.equal(in_w, in_w[:, :1].expand_as(in_w))
    held = method(linear, w_steps=3, steps=1, lr=0.0).unmask(faces[0]).w_plus
    assert held is not None and torch.equal(in_w, held)


@pytest.mark.parametrize("space", list(LatentSpaceName))
def test_layers_are_pulled_towards_their_mean_in_the_end(
    linear: LinearGenerator, faces: Faces, space: LatentSpaceName
) -> None:
    def layers(shrinkage: float) -> torch.Tensor:
        projection = method(linear, steps=3, latent_space=space, layer_shrinkage=shrinkage)
        w_plus = projection.unmask(faces[0]).w_plus
        assert w_plus is not None
        return projection.space.from_w(w_plus[:, : linear.num_active_ws])

    free = layers(0.0)
    mean = free.mean(1, keepdim=True)
    assert (free - mean).abs().max() > 0.01
    # float32
    torch.testing.assert_close(layers(0.5), (free + mean) / 2, atol=1e-5, rtol=0)
    torch.testing.assert_close(layers(1.0), mean.expand_as(free), atol=1e-5, rtol=0)


def test_a_picture_that_diverges_is_reported_and_the_others_go_on(linear: LinearGenerator, faces: Faces) -> None:
    masked = faces.masked.clone()
    masked[1, :, 0, 0] = float("nan")
    found = method(linear, w_steps=2).unmask(dataclasses.replace(faces, masked=masked))
    assert found.ids == ("a", "c")
    assert len(found.raw) == 2 and found.raw.isfinite().all()
    assert [f.id for f in found.failures] == ["b"] and "step 0" in found.failures[0].reason


def test_nothing_is_left_when_every_picture_diverges(linear: LinearGenerator, faces: Faces) -> None:
    one = dataclasses.replace(faces[0], masked=torch.full_like(faces[0].masked, float("nan")))
    found = method(linear, w_steps=2).unmask(one)
    assert found.ids == ()
    assert found.raw.shape == (0, 3, linear.resolution, linear.resolution)
    assert [f.id for f in found.failures] == ["a"]


def test_settings_that_leave_nothing_to_minimise_are_named(linear: LinearGenerator) -> None:
    with pytest.raises(UnmaskError, match=r"method\.lambda_pixel"):
        method(linear, lambda_pixel=0.0)
    with pytest.raises(UnmaskError, match=r"method\.layer_shrinkage=1\.5"):
        method(linear, layer_shrinkage=1.5)


def test_whom_the_hidden_part_belongs_to_needs_to_know_what_is_hidden(linear: LinearGenerator) -> None:
    with pytest.raises(UnmaskError, match=r"method\.lambda_identity.*method\.use_occlusion=true"):
        method(linear, lambda_identity=0.5, use_occlusion=False)


def test_with_an_identity_to_aim_at_the_hidden_part_comes_nearer_to_it(
    linear: LinearGenerator, faces: Faces, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    embedding = FaceEmbedding()
    monkeypatch.setattr(FaceEmbedding, "pretrained", classmethod(lambda cls, dtype=None: embedding))
    monkeypatch.setattr(ExpectedIdentity, "load", staticmethod(lambda: ExpectedIdentity(embedding)))
    wanted = embedding(blanked(faces.masked, faces.visible))

    def apart(**changes: object) -> torch.Tensor:
        raw = method(linear, w_steps=20, w_lr=0.1, **changes).unmask(faces).raw
        return (embedding(torch.where(faces.hole > 0, raw, faces.masked)) - wanted).square().sum(1)

    # random weights tell faces apart by little, so that it takes a large weight to show
    assert bool((apart(lambda_identity=1e4) < 0.9 * apart()).all())


@pytest.mark.parametrize("latent_space", [LatentSpaceName.w, LatentSpaceName.pn])
def test_a_picture_without_a_hole_is_projected_like_any_other(
    linear: LinearGenerator, faces: Faces, latent_space: LatentSpaceName
) -> None:
    """occlusion=auto leaves the hole empty where it finds no face mask."""
    empty = dataclasses.replace(faces, occlusion=torch.zeros_like(faces.hole), hole=torch.zeros_like(faces.hole))
    changes = {"w_steps": 2, "steps": 2, "lambda_perceptual": 1.0, "lambda_anchor": 0.2, "focus": 50.0}
    made = method(linear, latent_space=latent_space, init=Init.search, **changes).unmask(empty)
    assert made.ids == faces.ids
    assert not made.failures
    assert bool(made.raw.isfinite().all())


def test_encoder_alone_gives_the_faces_of_its_w_plus(linear: LinearGenerator, faces: Faces, encoder_path: Path) -> None:
    made = method(linear, init=Init.encoder, encoder=str(encoder_path), layer_shrinkage=0.5).unmask(faces)
    network = LatentEncoder.load(encoder_path, linear.num_ws, linear.w_dim)
    expected = method(linear, init=Init.regression).unmask(faces).w_plus
    assert expected is not None
    w_plus = network.w_plus(faces.masked, faces.visible, expected[:, 0])
    assert not torch.equal(w_plus[:, 0], w_plus[:, 1])
    torch.testing.assert_close(made.w_plus, w_plus)
    torch.testing.assert_close(made.raw, linear.synthesize(w_plus).clamp(-1, 1))


def test_steps_in_w_move_an_encoders_layers_together(linear: LinearGenerator, faces: Faces, encoder_path: Path) -> None:
    settings = {"init": Init.encoder, "encoder": str(encoder_path), "latent_space": LatentSpaceName.w}
    before = method(linear, **settings).unmask(faces).w_plus
    after = method(linear, **settings, w_steps=5).unmask(faces).w_plus
    assert before is not None and after is not None
    move = after - before
    assert float(move.abs().max()) > 1e-3
    # float32: the same step for all layers
    torch.testing.assert_close(move[:, 0], move[:, 1], atol=1e-6, rtol=0)


def test_encoder_of_no_one_is_asked_for_by_name(linear: LinearGenerator, faces: Faces) -> None:
    with pytest.raises(UnmaskError, match=r"method\.init=encoder: no encoder ships .*method\.encoder"):
        method(linear, init=Init.encoder).unmask(faces)


def test_tuning_fits_the_visible_part_and_leaves_the_generator_as_it_was(linear: LinearGenerator, faces: Faces) -> None:
    before = linear.basis.clone()
    plain = method(linear, w_steps=10).unmask(faces)
    steps: list[StepReport] = []
    tuned = method(linear, w_steps=10, tune_steps=30, tune_lr=3e-3).unmask(faces, on_step=steps.append)
    assert torch.equal(linear.basis, before) and not linear.basis.requires_grad
    assert torch.equal(tuned.w_plus, plain.w_plus)  # type: ignore[arg-type]
    for row in range(3):
        one = slice(row, row + 1)
        gained = psnr(tuned.raw[one], faces.masked[one], faces.visible[one]) - psnr(
            plain.raw[one], faces.masked[one], faces.visible[one]
        )
        assert gained > 1.0
    assert [report.ids for report in steps[11:]] == [(id,) for id in faces.ids for _ in range(30)]
    assert [report.taken for report in steps[:41]] == list(range(41)) and steps[0].total == 40


def test_a_tuned_picture_does_not_depend_on_its_neighbours(linear: LinearGenerator, faces: Faces) -> None:
    together = method(linear, w_steps=3, tune_steps=5).unmask(faces)
    alone = method(linear, w_steps=3, tune_steps=5).unmask(faces[1])
    torch.testing.assert_close(together.raw[1:2], alone.raw, atol=1e-5, rtol=0)
