"""The objective's terms in closed form, and who may influence them."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from helpers.random_vgg import random_vgg
from unmask.losses import unit_normalise
from unmask.networks.face_embedding import FaceEmbedding
from unmask.networks.vgg import VGG16Features
from unmask.networks.windows import places, take
from unmask.projection.latents import LatentStatistics
from unmask.projection.objective import FOCUS_FLOOR, Objective, Target, Weights, proximity
from unmask.projection.perceptual import PerceptualDistance

SIZE, W_DIM = 32, 6
LAYERS = ("relu1_2", "relu2_2")
STATISTICS = LatentStatistics(mean=torch.linspace(-1, 1, W_DIM), std=torch.linspace(0.5, 2, W_DIM))
NOTHING = Weights(pixel=0, perceptual=0, prior=0, spread=0, anchor=0)
ALL = Weights(pixel=1, perceptual=0.7, prior=0.01, spread=0.05, anchor=0.03)
SIGNS = torch.tensor([1.0, -1, 1, -1, 1, 1])


@pytest.fixture(scope="module")
def vgg() -> VGG16Features:
    return random_vgg(LAYERS)


def objective(
    weights: Weights,
    vgg: VGG16Features | None = None,
    *,
    margin: float = 1.0,
    normalise: bool = True,
    resolution: int = SIZE,
    focus: float = 0.0,
    window: float = 1.0,
    embedding: FaceEmbedding | None = None,
) -> Objective:
    compared = vgg and PerceptualDistance(vgg, resolution, normalise=normalise, margin=margin, window=window)
    return Objective(weights, STATISTICS, focus=focus, perceptual=compared, embedding=embedding)


def pictures(seed: int, count: int = 1) -> Tensor:
    return torch.rand(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def latents(seed: int, count: int = 1, layers: int = 4) -> Tensor:
    return torch.randn(count, layers, W_DIM, generator=torch.Generator().manual_seed(seed))


def hole_in_the_corner(count: int = 1) -> Tensor:
    """(B,1,H,W) visible: everything but ten pixels square at the lower right."""
    visible = torch.ones(count, 1, SIZE, SIZE)
    visible[..., -10:, -10:] = 0
    return visible


def target_of(subject: Objective, count: int, visible: Tensor) -> Target:
    return subject.target(pictures(1, count), visible, pictures(2, count), latents(3, count, 1))


def test_a_picture_s_losses_are_its_own(vgg: VGG16Features) -> None:
    subject = objective(ALL, vgg, margin=0.3)
    images, w_plus, visible = pictures(4, 3), latents(5, 3), hole_in_the_corner(3)
    visible[1, :, :8] = 0
    together = subject.losses(images, w_plus, (), target_of(subject, 3, visible))
    assert set(together) == {"pixel", "perceptual", "prior", "spread", "anchor", "total"}
    for i in range(3):
        one = slice(i, i + 1)
        target = subject.target(pictures(1, 3)[one], visible[one], pictures(2, 3)[one], latents(3, 3, 1)[one])
        alone = subject.losses(images[one], w_plus[one], (), target)
        for name, values in together.items():
            assert values.shape == (3,)
            torch.testing.assert_close(values[one], alone[name], rtol=1e-5, atol=0)


def test_no_gradient_reaches_a_neighbour(vgg: VGG16Features) -> None:
    subject = objective(ALL, vgg)
    images, w_plus = pictures(4, 2).requires_grad_(True), latents(5, 2).requires_grad_(True)
    target = target_of(subject, 2, hole_in_the_corner(2))
    subject.losses(images, w_plus, (), target)["total"][0].backward()
    for leaf in (images, w_plus):
        assert leaf.grad is not None
        assert leaf.grad[0].abs().max() > 0
        assert leaf.grad[1].abs().max() == 0


def test_the_hidden_pixels_of_the_photo_reach_no_target(vgg: VGG16Features) -> None:
    subject, visible = objective(ALL, vgg, margin=0.0), hole_in_the_corner()
    photo = pictures(1)
    repainted = torch.where(visible > 0, photo, -photo)
    found, again = (subject.target(each, visible, pictures(2), latents(3, 1, 1)) for each in (photo, repainted))
    one, other = (subject.losses(pictures(4), latents(5), (), target)["total"] for target in (found, again))
    assert torch.equal(one, other)


@pytest.mark.parametrize("normalise", [True, False])
def test_beyond_the_full_reach_features_do_not_see_into_the_hole(vgg: VGG16Features, normalise: bool) -> None:
    visible, photo, images, w_plus = hole_in_the_corner(), pictures(1), pictures(4), latents(5)
    other_fill = torch.where(visible > 0, images, -images)

    def perceptual(margin: float, filler: Tensor, generated: Tensor) -> Tensor:
        subject = objective(Weights(pixel=0, perceptual=1, prior=0, spread=0), vgg, margin=margin, normalise=normalise)
        target = subject.target(photo, visible, filler, latents(3, 1, 1))
        return subject.losses(generated, w_plus, (), target)["perceptual"]

    safe = perceptual(1.0, pictures(2), images)
    assert safe > 0
    torch.testing.assert_close(perceptual(1.0, -pictures(2), images), safe, rtol=1e-6, atol=0)
    torch.testing.assert_close(perceptual(1.0, pictures(2), other_fill), safe, rtol=1e-6, atol=0)
    close = perceptual(0.0, pictures(2), images)
    assert not torch.allclose(perceptual(0.0, -pictures(2), images), close, rtol=1e-4)
    assert not torch.allclose(perceptual(0.0, pictures(2), other_fill), close, rtol=1e-4)


@pytest.mark.parametrize("normalise", [True, False])
def test_the_perceptual_term_is_the_mean_feature_distance(vgg: VGG16Features, normalise: bool) -> None:
    subject = objective(Weights(pixel=0, perceptual=2.0, prior=0, spread=0), vgg, normalise=normalise)
    photo, images, everywhere = pictures(1), pictures(4), torch.ones(1, 1, SIZE, SIZE)
    target = subject.target(photo, everywhere, pictures(2), latents(3, 1, 1))
    expected = torch.zeros(1)
    for one, other in zip(vgg(images), vgg(photo), strict=True):
        if normalise:
            expected += (unit_normalise(one) - unit_normalise(other)).square().sum(1).mean((1, 2))
        else:
            expected += (one - other).square().mean((1, 2, 3))
    found = subject.losses(images, latents(5), (), target)["perceptual"]
    torch.testing.assert_close(found, 2 * expected, rtol=1e-4, atol=0)
    # a distance of a picture to itself, float32
    assert subject.losses(photo, latents(5), (), target)["perceptual"].item() == pytest.approx(0, abs=1e-6)


def test_features_are_taken_at_their_own_resolution(vgg: VGG16Features) -> None:
    subject = objective(ALL, vgg, resolution=16)
    target = target_of(subject, 1, hole_in_the_corner())
    assert target.looks is not None
    assert [tuple(f.shape[-2:]) for f in target.looks.features] == [(16, 16), (8, 8)]
    assert [tuple(v.shape[-2:]) for v in target.looks.visible] == [(16, 16), (8, 8)]
    larger = objective(ALL, vgg, resolution=4 * SIZE)  # pictures are never enlarged
    looks = target_of(larger, 1, hole_in_the_corner()).looks
    assert looks is not None
    assert looks.features[0].shape[-1] == SIZE


@pytest.mark.parametrize("term", ["pixel", "perceptual", "prior", "spread", "anchor"])
def test_a_weight_of_zero_skips_its_term(vgg: VGG16Features, term: str) -> None:
    only = Weights(**{**vars(NOTHING), term: 0.5})
    subject = objective(only, vgg if term == "perceptual" else None)
    losses = subject.losses(pictures(4), latents(5), (), target_of(subject, 1, hole_in_the_corner()))
    assert set(losses) == {term, "total"}
    assert losses["total"] == losses[term] > 0


def test_the_total_is_the_sum_of_the_weighted_terms(vgg: VGG16Features) -> None:
    target = target_of(objective(ALL, vgg), 1, hole_in_the_corner())
    losses = objective(ALL, vgg).losses(pictures(4), latents(5), (), target)
    total = losses.pop("total")
    torch.testing.assert_close(total, torch.stack(list(losses.values())).sum(0))
    ones = Weights(pixel=1, perceptual=1, prior=1, spread=1, anchor=1)
    for name, value in objective(ones, vgg).losses(pictures(4), latents(5), (), target).items():
        if name != "total":
            torch.testing.assert_close(losses[name], value * vars(ALL)[name])


def test_latent_penalties_in_closed_form() -> None:
    subject = objective(Weights(pixel=0, perceptual=0, prior=1, spread=1, anchor=1))
    # Two layers at mean + (2 ± 3) deviations: 13 from the mean, 9 from each other's middle, 10 from 1 deviation away.
    w_plus = STATISTICS.mean + torch.stack([5 * SIGNS, -1 * SIGNS])[None] * STATISTICS.std
    anchor = STATISTICS.mean + (SIGNS * STATISTICS.std)[None, None]
    nothing = torch.zeros(1, 3, SIZE, SIZE)
    target = subject.target(nothing, torch.ones(1, 1, SIZE, SIZE), nothing, anchor)
    losses = subject.losses(nothing, w_plus, (), target)
    assert losses["prior"].item() == pytest.approx((25 + 1) / 2, rel=1e-5)
    assert losses["spread"].item() == pytest.approx(9, rel=1e-5)
    assert losses["anchor"].item() == pytest.approx((16 + 4) / 2, rel=1e-5)
    at_the_anchor = subject.losses(nothing, anchor.expand(-1, 2, -1), (), target)
    assert at_the_anchor["anchor"] == 0
    assert at_the_anchor["prior"].item() == pytest.approx(1, rel=1e-5)


def test_noise_is_punished_only_where_there_is_some() -> None:
    subject = objective(Weights(pixel=1, perceptual=0, prior=0, spread=0, noise=0.5))
    target = target_of(subject, 2, hole_in_the_corner(2))
    assert "noise" not in subject.losses(pictures(4, 2), latents(5, 2), (), target)
    maps = torch.stack([torch.zeros(1, 8, 8), torch.ones(1, 8, 8)])
    found = subject.losses(pictures(4, 2), latents(5, 2), (maps,), target)["noise"]
    assert found.tolist() == [0, 0.5 * 2]  # a constant map correlates fully with both its neighbours


def test_one_w_for_all_layers_has_no_spread() -> None:
    subject = objective(Weights(pixel=1, perceptual=0, prior=0, spread=1))
    target = target_of(subject, 1, hole_in_the_corner())
    assert "spread" not in subject.losses(pictures(4), latents(5, layers=1), (), target)
    assert "spread" in subject.losses(pictures(4), latents(5, layers=2), (), target)


def test_what_is_near_the_hole_counts_more() -> None:
    visible = torch.ones(1, 1, 256, 256)
    visible[..., 200:, :] = 0
    near = proximity(visible, 50.0)
    at = [float(near[0, 0, 200 - rows, 7]) for rows in (1, 50, 100, 200)]
    expected = [FOCUS_FLOOR + (1 - FOCUS_FLOOR) * math.exp(-0.5 * (rows / 50) ** 2) for rows in (1, 50, 100, 200)]
    # float32
    assert at == pytest.approx(expected, abs=1e-5)
    half = proximity(visible[..., ::2, ::2], 50.0)  # distances are those at 256, whatever the resolution
    assert float(half[0, 0, 50, 3]) == pytest.approx(float(near[0, 0, 100, 7]), abs=1e-2)
    nothing_hidden = proximity(torch.ones(1, 1, 8, 8), 50.0)
    assert torch.equal(nothing_hidden, torch.full_like(nothing_hidden, FOCUS_FLOOR))


def test_the_focus_weighs_pixels_and_features(vgg: VGG16Features) -> None:
    visible, photo = hole_in_the_corner(), pictures(1)
    beside, far = photo.clone(), photo.clone()
    beside[..., SIZE - 12, SIZE - 12] += 0.5
    far[..., 2, 2] += 0.5
    for focus, ratio in ((0.0, 1.0), (80.0, 3.0)):
        subject = objective(Weights(pixel=1, perceptual=1, prior=0, spread=0), vgg, margin=0.0, focus=focus)
        target = target_of(subject, 1, visible)
        losses = [subject.losses(one, latents(5), (), target)["pixel"].item() for one in (beside, far)]
        assert losses[0] == pytest.approx(ratio * losses[1], rel=0.1)
        assert (target.visible[visible == 0] == 0).all()
        assert target.looks is not None
        for seen in target.looks.visible:
            side = seen.shape[-1]
            at_the_hole, away = seen[0, 0, side // 2, side // 2], seen[0, 0, 0, 0]
            assert float(at_the_hole) == pytest.approx(ratio * float(away), rel=0.25)
            assert float(seen[0, 0, -1, -1]) == 0


def test_a_window_compares_what_it_shows_and_nothing_else(vgg: VGG16Features) -> None:
    visible = torch.ones(2, 1, SIZE, SIZE)
    visible[0, :, SIZE // 2 : SIZE * 3 // 4, SIZE // 3 : SIZE * 2 // 3] = 0
    visible[1, :, : SIZE // 8, : SIZE // 8] = 0
    weights = Weights(pixel=0, perceptual=1, prior=0, spread=0)
    masked, filler, made, w = pictures(1, 2), pictures(2, 2), pictures(3, 2), latents(4, 2)
    windowed = objective(weights, vgg, window=0.5)
    target = windowed.target(masked, visible, filler, w[:, :1])
    found = windowed.losses(made, w, (), target)["perceptual"]

    where = places(1 - visible, 0.5)
    cut = [take(one, where) for one in (masked, visible, filler, made)]
    plain = objective(weights, vgg, resolution=SIZE // 2)
    expected = plain.losses(cut[3], w, (), plain.target(*cut[:3], w[:, :1]))["perceptual"]
    torch.testing.assert_close(found, expected)
    whole = objective(weights, vgg)
    other = whole.losses(made, w, (), whole.target(masked, visible, filler, w[:, :1]))["perceptual"]
    assert not torch.allclose(found, other)


def test_the_identity_s_term_sees_the_picture_with_the_hole_filled() -> None:
    torch.manual_seed(0)
    embedding = FaceEmbedding()
    subject = objective(replace(NOTHING, identity=2.0), embedding=embedding)
    visible, masked, wanted = hole_in_the_corner(2), pictures(1, 2), torch.randn(2, 128) / 10
    target = subject.target(masked, visible, pictures(2, 2), latents(3, 2, 1), wanted)
    images = pictures(4, 2).requires_grad_(True)
    found = subject.losses(images, latents(5, 2), (), target)
    pasted = torch.where(visible > 0, masked, images)
    expected = 2 * (embedding(pasted) - wanted).square().sum(1)
    torch.testing.assert_close(found["identity"], expected)
    torch.testing.assert_close(found["total"], expected)
    found["total"].sum().backward()
    assert images.grad is not None
    assert bool(images.grad[..., -10:, -10:].any())
    assert not bool((images.grad * visible).any())


def test_without_an_identity_to_aim_at_its_term_is_left_out() -> None:
    subject = objective(replace(ALL, perceptual=0, identity=2.0), embedding=FaceEmbedding())
    target = target_of(subject, 1, hole_in_the_corner())
    assert "identity" not in subject.losses(pictures(4), latents(5), (), target)
