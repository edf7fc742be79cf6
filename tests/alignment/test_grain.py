"""Sharpness and grain are measured as they were put in."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from unmask.alignment.grain import Grain, matching_blur


def scene(size: int = 400) -> np.ndarray:
    """(size,size,3) uint8 with edges at all scales."""
    random = np.random.default_rng(0)
    picture = np.full((size, size, 3), 120, np.uint8)
    for _ in range(60):
        centre, radius = random.integers(0, size, 2), int(random.integers(5, 60))
        cv2.circle(picture, [int(c) for c in centre], radius, [int(c) for c in random.integers(40, 210, 3)], -1)
    return cv2.GaussianBlur(picture, (0, 0), 0.6)


def noisy(picture: np.ndarray, sigma: float, seed: int = 1) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, sigma, picture.shape)
    return np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)


EVERYWHERE = np.ones((400, 400), bool)


@pytest.mark.parametrize("sigma", [2.0, 5.0, 10.0])
def test_grain_is_measured_beside_edges(sigma: float) -> None:
    grain = Grain.of(noisy(scene(), sigma), EVERYWHERE)
    # leaving out the strongest answers takes a part of the noise's own tail
    assert np.sqrt(np.diag(grain.levels[0])) == pytest.approx(sigma, rel=0.25)


@pytest.mark.parametrize("blur", [0.0, 0.5, 0.8])
def test_grain_that_is_drawn_is_as_strong_at_every_scale(blur: float) -> None:
    flat = np.full((400, 400, 3), 128, np.uint8)
    photo = noisy(flat, 12.0)
    photo = photo if blur == 0 else cv2.GaussianBlur(photo, (0, 0), blur)
    drawn = 128 + Grain.of(photo, EVERYWHERE).drawn(400, 400, seed=3)
    for step in (1, 2):
        shape = (400 // step, 400 // step)
        theirs, ours = (
            cv2.resize(x.astype(np.float32), shape, interpolation=cv2.INTER_AREA).std() for x in (photo, drawn)
        )
        assert ours == pytest.approx(theirs, rel=0.4), step


def test_the_same_seed_draws_the_same() -> None:
    grain = Grain((np.eye(3) * 4, np.eye(3)))
    np.testing.assert_array_equal(grain.drawn(33, 21, 5), grain.drawn(33, 21, 5))
    assert (grain.drawn(33, 21, 5) != grain.drawn(33, 21, 6)).any()


def test_no_grain_where_nothing_can_be_measured() -> None:
    nothing = np.zeros((400, 400), bool)
    assert not Grain.of(noisy(scene(), 5.0), nothing).drawn(8, 8, 0).any()
    assert matching_blur(scene(), scene(), nothing, Grain((np.zeros((3, 3)),) * 2)) == 0.0


@pytest.mark.parametrize("sigma", [0.0, 1.0, 2.2, 3.6])
@pytest.mark.parametrize("noise", [0.0, 4.0])
def test_the_blur_that_was_put_in_is_found(sigma: float, noise: float) -> None:
    sharp = scene()
    photo = sharp if sigma == 0 else cv2.GaussianBlur(sharp, (0, 0), sigma)
    photo = noisy(photo, noise) if noise else photo
    found = matching_blur(sharp, photo, EVERYWHERE, Grain.of(photo, EVERYWHERE))
    assert found == pytest.approx(sigma, abs=0.7 + 0.25 * sigma)  # grain is measured to a sixth
