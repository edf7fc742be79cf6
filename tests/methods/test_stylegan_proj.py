"""The projection as a whole: recovery, independence of neighbours, repeatability, failures."""

import dataclasses

import pytest
import torch

from unmask.config import GeneratorConfig, Init, PixelLoss, StyleGANProjConfig
from unmask.faces import Faces
from unmask.generators.mobilestylegan import MobileStyleGAN
from unmask.methods.base import StepReport
from unmask.methods.stylegan_proj import StyleGANProjection

CPU = torch.device("cpu")
PLAIN = StyleGANProjConfig(
    name="stylegan_proj",
    init=Init.mean,
    lambda_perceptual=0.0,
    lambda_prior=0.0,
    lambda_spread=0.0,
    w_steps=40,
    steps=0,
    compile=False,
)

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def prior() -> MobileStyleGAN:
    return MobileStyleGAN.build(GeneratorConfig(), 128)


@pytest.fixture(scope="module")
def faces(prior: MobileStyleGAN) -> Faces:
    """Three of the prior's own people with the lower half of the face hidden."""
    z = torch.randn(3, 512, generator=torch.Generator().manual_seed(77))
    mean = prior.map(torch.randn(2000, 512, generator=torch.Generator().manual_seed(1))).mean(0)
    w = mean + 0.5 * (prior.map(z) - mean)
    with torch.no_grad():
        clean = prior.synthesize(w[:, None].expand(-1, prior.num_ws, -1)).clamp(-1, 1)
    hole = torch.zeros(3, 1, 128, 128)
    hole[..., 70:110, 36:92] = 1
    masked = torch.where(hole > 0, torch.tensor([0.1, 0.4, 0.8]).view(1, 3, 1, 1), clean)
    return Faces(("a", "b", "c"), masked, hole, hole, clean)


def method(prior: MobileStyleGAN, **changes: object) -> StyleGANProjection:
    return StyleGANProjection(dataclasses.replace(PLAIN, **changes), prior, CPU, seed=0)  # type: ignore[arg-type]


def psnr(a: torch.Tensor, b: torch.Tensor, where: torch.Tensor) -> float:
    error = ((a - b).square() * where).sum() / (3 * where.sum())
    return float(-10 * torch.log10(error / 4))


@pytest.mark.slow
def test_picture_to_latent_and_back_on_the_prior_s_own_people(prior: MobileStyleGAN, faces: Faces) -> None:
    one = faces[0]
    start = method(prior, w_steps=0).unmask(one)
    found = method(prior, w_steps=80, w_lr=0.1).unmask(one)
    assert one.clean is not None
    before, after = psnr(start.raw, one.clean, one.visible), psnr(found.raw, one.clean, one.visible)
    assert after > 27 and after > before + 8, (before, after)
    # The hidden part was never shown, yet it comes back with the rest.
    assert psnr(found.raw, one.clean, one.hole) > psnr(start.raw, one.clean, one.hole) + 3


@pytest.mark.slow
def test_a_picture_does_not_depend_on_its_neighbours(prior: MobileStyleGAN, faces: Faces) -> None:
    settings = {"w_steps": 4, "steps": 3, "init": Init.random, "lambda_perceptual": 0.5, "lambda_prior": 0.01}
    projection = method(prior, **settings)
    together = projection.unmask(faces)
    alone = projection.unmask(faces[1])
    assert together.w_plus is not None and alone.w_plus is not None
    assert torch.allclose(together.w_plus[1:2], alone.w_plus, atol=1e-3)
    assert torch.allclose(together.raw[1:2], alone.raw, atol=1e-2)


def test_the_same_seed_gives_the_same_result_twice_and_another_does_not(prior: MobileStyleGAN, faces: Faces) -> None:
    settings = {"w_steps": 2, "steps": 1, "init": Init.random}
    first, second = (method(prior, **settings).unmask(faces[0]) for _ in range(2))
    assert torch.equal(first.raw, second.raw)
    other = StyleGANProjection(dataclasses.replace(PLAIN, **settings), prior, CPU, seed=1).unmask(faces[0])  # type: ignore[arg-type]
    assert not torch.allclose(first.raw, other.raw, atol=0.05)


@pytest.mark.parametrize("init", [Init.search, Init.regression])
def test_the_hidden_pixels_are_not_looked_at(prior: MobileStyleGAN, faces: Faces, init: Init) -> None:
    one = faces[0]
    repainted = dataclasses.replace(one, masked=torch.where(one.hole > 0, -one.masked, one.masked))
    settings = {"w_steps": 2, "steps": 1, "init": init, "candidates": 6, "lambda_perceptual": 0.5}
    seen = [method(prior, **settings).unmask(faces).raw for faces in (one, repainted)]
    assert torch.equal(seen[0], seen[1])
    settings["use_occlusion"] = False
    seen = [method(prior, **settings).unmask(faces).raw for faces in (one, repainted)]
    assert not torch.equal(seen[0], seen[1])


@pytest.mark.parametrize("kind", list(PixelLoss))
def test_every_pixel_loss_goes_down(prior: MobileStyleGAN, faces: Faces, kind: PixelLoss) -> None:
    values: list[float] = []

    def watch(report: StepReport) -> None:
        values.append(float(report.losses["total"][0]))

    method(prior, pixel_loss=kind, w_steps=8, rampup=0.0).unmask(faces[0], on_step=watch)
    assert len(values) == 8 and values[-1] < values[0]


def test_steps_are_counted_over_both_stages_and_pictures_can_be_rendered(prior: MobileStyleGAN, faces: Faces) -> None:
    seen: list[tuple[int, int]] = []

    def watch(report: StepReport) -> None:
        seen.append((report.step, report.total))
        assert report.render().shape == (1, 3, 128, 128)

    method(prior, w_steps=2, steps=2).unmask(faces[0], on_step=watch)
    assert seen == [(0, 4), (1, 4), (2, 4), (3, 4)]


def test_layers_that_act_only_at_full_resolution_follow_the_last_active_one(
    prior: MobileStyleGAN, faces: Faces
) -> None:
    found = method(prior, w_steps=1, steps=2, rampup=0.0).unmask(faces[0])
    assert found.w_plus is not None and found.w_plus.shape == (1, prior.num_ws, 512)
    last = prior.num_active_ws - 1
    assert torch.equal(found.w_plus[:, last + 1 :], found.w_plus[:, last : last + 1].expand(-1, 23 - last - 1, -1))
    assert not torch.equal(found.w_plus[:, 0], found.w_plus[:, 1])


def test_a_picture_that_diverges_is_reported_and_the_others_go_on(prior: MobileStyleGAN, faces: Faces) -> None:
    masked = faces.masked.clone()
    masked[1, :, 0, 0] = float("nan")
    found = method(prior, w_steps=2).unmask(dataclasses.replace(faces, masked=masked))
    assert found.ids == ("a", "c")
    assert len(found.raw) == 2 and found.raw.isfinite().all()
    assert [f.id for f in found.failures] == ["b"] and "step 0" in found.failures[0].reason
