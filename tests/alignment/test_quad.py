"""Squares in photos, and pictures on both sides of them."""

from __future__ import annotations

import numpy as np
import pytest

from unmask.alignment import Quad, corner_error, crop
from unmask.alignment.quad import transform
from unmask.photos.scene import quad_at


def test_corners_and_back() -> None:
    quad = quad_at(100.0, 50.0, 40.0, turn=30.0)
    assert quad.side == pytest.approx(40)
    assert quad.turn == pytest.approx(30)
    again = Quad.of_corners(quad.corners)
    np.testing.assert_allclose(again.centre, quad.centre)
    np.testing.assert_allclose(again.half, quad.half)


def test_corners_go_round_as_ffhq_s_do() -> None:
    top_left, bottom_left, bottom_right, top_right = quad_at(10, 20, 8).corners
    np.testing.assert_allclose([top_left, bottom_left], [[6, 16], [6, 24]])
    np.testing.assert_allclose([bottom_right, top_right], [[14, 24], [14, 16]])


def test_the_outer_edges_of_the_outermost_pixels_are_the_corners() -> None:
    quad = quad_at(60, 40, 30, turn=12)
    edges = np.array([[-0.5, -0.5], [-0.5, 15.5], [15.5, 15.5], [15.5, -0.5]])
    np.testing.assert_allclose(transform(edges, quad.to_photo(16)), quad.corners)


def test_error_is_in_pixels_of_the_true_frame() -> None:
    true = quad_at(100, 100, 512)
    assert corner_error(quad_at(102, 100, 512), true) == pytest.approx(1)  # two of 512 are one of 256
    assert corner_error(quad_at(100, 100, 512 * 1.01), true) == pytest.approx(0.01 * 128 * np.sqrt(2))


@pytest.mark.parametrize("side", [40.0, 64.0, 200.0, 333.0])
def test_a_crop_of_a_ramp_is_the_ramp(side: float) -> None:
    """Resampling, whatever the scale, neither shifts nor scales: a linear picture tells every position."""
    y, x = np.mgrid[:600, :600].astype(np.float32)
    quad = quad_at(300.0, 280.0, side, turn=23.0)
    found = crop(x, quad, 64), crop(y, quad, 64)
    places = np.stack(np.meshgrid(np.arange(64), np.arange(64)), -1).reshape(-1, 2)
    expected = transform(places, quad.to_photo(64)).reshape(64, 64, 2)
    # OpenCV's cubic kernel, for enlarging, bends a ramp by a fifth of a pixel
    atol = 0.25 if side < 64 else 0.02 * side / 64
    np.testing.assert_allclose(found[0], expected[..., 0], atol=atol)
    np.testing.assert_allclose(found[1], expected[..., 1], atol=atol)


def test_a_whole_picture_is_its_own_crop() -> None:
    picture = np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8)
    np.testing.assert_array_equal(crop(picture, quad_at(31.5, 31.5, 64), 64), picture)


def test_beyond_the_border_the_photo_is_mirrored() -> None:
    picture = np.random.default_rng(1).integers(0, 255, (64, 64), np.uint8)
    np.testing.assert_array_equal(crop(picture, quad_at(-0.5, 31.5, 64), 64)[:, 31], picture[:, 1])


def test_fine_stripes_do_not_alias() -> None:
    stripes = np.broadcast_to((np.arange(1024) % 2 * 255).astype(np.uint8), (1024, 1024))
    assert crop(stripes, quad_at(511.5, 511.5, 900, turn=5), 64).std() < 4
