"""Pasting back: nothing else changes, and what is pasted fits in."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from unmask.alignment import Quad, crop, fitted_full, paste
from unmask.alignment.paste import Pasted
from unmask.config import OcclusionConfig, OcclusionSource
from unmask.images import from_uint8, to_uint8
from unmask.photos.scene import quad_at

JOINED = OcclusionConfig(source=OcclusionSource.auto)


def photograph(height: int = 700, width: int = 900, seed: int = 0) -> np.ndarray:
    """(height,width,3) uint8, smooth with edges."""
    random = np.random.default_rng(seed)
    coarse = random.integers(60, 200, (12, 16, 3), dtype=np.uint8)
    photo = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    for _ in range(40):
        centre = [int(c) for c in random.integers(0, [width, height])]
        cv2.circle(photo, centre, int(random.integers(4, 40)), [int(c) for c in random.integers(60, 200, 3)], -1)
    return cv2.GaussianBlur(photo, (0, 0), 0.8)


def filled(size: int = 256) -> torch.Tensor:
    region = torch.zeros(1, size, size)
    region[:, size // 2 : 7 * size // 8, size // 4 : 3 * size // 4] = 1
    return region


def apply(photo: np.ndarray, pasted: Pasted) -> tuple[np.ndarray, np.ndarray]:
    result, changed = photo.copy(), np.zeros(photo.shape[:2], bool)
    pasted.onto(result)
    pasted.mark(changed)
    return result, changed


@pytest.mark.parametrize("quad", [quad_at(450, 350, 400, 20), quad_at(300, 300, 90, -35), quad_at(400, 300, 1200, 5)])
def test_the_right_picture_goes_unnoticed(quad: Quad) -> None:
    """Pasting what was there all along changes as little as resampling must."""
    photo = photograph()
    picture = from_uint8(crop(photo, quad, 1024))
    result, changed = apply(photo, paste(photo, quad, picture, filled(), JOINED))
    assert changed.any()
    np.testing.assert_array_equal(result[~changed], photo[~changed])
    error = np.abs(result[changed].astype(float) - photo[changed])
    assert error.mean() < 3.0


def test_the_region_is_where_the_frame_says() -> None:
    photo, quad = photograph(), quad_at(450, 350, 300, 25)
    _, changed = apply(photo, paste(photo, quad, torch.zeros(3, 256, 256), filled(), JOINED))
    there = crop(changed.astype(np.float32), quad, 256) > 0.5
    grown = cv2.dilate(filled()[0].numpy().astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))) > 0
    assert (there & grown).sum() / (there | grown).sum() > 0.98


def test_a_face_cut_by_the_border_is_pasted_as_far_as_it_goes() -> None:
    photo, quad = photograph(), quad_at(20, 690, 300)
    result, changed = apply(photo, paste(photo, quad, torch.zeros(3, 256, 256), filled(), JOINED))
    np.testing.assert_array_equal(result[~changed], photo[~changed])


def test_nothing_to_fill() -> None:
    photo = photograph()
    _, changed = apply(
        photo, paste(photo, quad_at(450, 350, 300), torch.zeros(3, 64, 64), torch.zeros(1, 64, 64), JOINED)
    )
    assert not changed.any()
    elsewhere = quad_at(-900, -900, 300)
    _, changed = apply(photo, paste(photo, elsewhere, torch.zeros(3, 64, 64), filled(64), JOINED))
    assert not changed.any()


def test_what_is_pasted_is_as_grainy_and_as_sharp_as_the_photo() -> None:
    random = np.random.default_rng(3)
    soft = cv2.GaussianBlur(photograph(), (0, 0), 2.0)
    photo = np.clip(soft + random.normal(0, 6, soft.shape), 0, 255).astype(np.uint8)
    quad = quad_at(450, 350, 600)
    sharp = from_uint8(crop(photograph(), quad, 1024))
    result, changed = apply(photo, paste(photo, quad, sharp, filled(), JOINED))
    inner = cv2.erode(changed.astype(np.uint8), np.ones((15, 15))) > 0

    def high(picture: np.ndarray) -> float:
        return float(np.abs(cv2.Laplacian(picture.astype(np.float32), cv2.CV_32F)[inner]).mean())

    assert high(result) == pytest.approx(high(photo), rel=0.25)
    bare, _ = apply(photo, paste(soft, quad, sharp, filled(), JOINED))
    assert high(bare) < 0.5 * high(photo)  # without grain to go by, none is drawn


def test_the_full_render_takes_the_fitted_colours() -> None:
    raw = from_uint8(photograph(256, 256, seed=1))
    full = from_uint8(cv2.resize(to_uint8(raw), (1024, 1024), interpolation=cv2.INTER_CUBIC)) * 0.7 - 0.1
    fitted = fitted_full(raw, full)
    small = torch.nn.functional.interpolate(fitted[None], (256, 256), mode="area")[0]
    assert float((small - raw).abs().mean()) < 0.01
    assert fitted_full(raw, None) is raw
