"""The image contract: round trips, errors that name the file, dilation as a disc."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from unmask.errors import UnmaskError
from unmask.images import blur, dilate, from_uint8, load_image, resize, save_image, to_uint8


def test_every_eight_bit_level_survives_a_round_trip() -> None:
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 16, 3)
    assert np.array_equal(to_uint8(from_uint8(levels)), levels)


def test_png_round_trip(tmp_path: Path) -> None:
    torch.manual_seed(0)
    image = from_uint8((torch.rand(8, 9, 3) * 255).byte().numpy())
    save_image(image, tmp_path / "deep" / "a.png")
    assert torch.equal(load_image(tmp_path / "deep" / "a.png"), image)
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["a.png"]


def test_values_outside_the_range_are_clamped() -> None:
    assert to_uint8(torch.full((3, 1, 1), 7.0)).max() == 255
    assert to_uint8(torch.full((3, 1, 1), -7.0)).max() == 0


def test_a_truncated_jpeg_is_named(tmp_path: Path) -> None:
    path = tmp_path / "00001.jpg"
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(UnmaskError, match=r"00001\.jpg"):
        load_image(path)


def test_a_picture_that_is_not_square_is_refused_when_scaling(tmp_path: Path) -> None:
    Image.new("RGB", (30, 20)).save(tmp_path / "wide.png")
    with pytest.raises(UnmaskError, match="30x20"):
        load_image(tmp_path / "wide.png", 16)
    assert load_image(tmp_path / "wide.png").shape == (3, 20, 30)


def test_dilation_is_a_disc_scaled_with_the_picture() -> None:
    dot = torch.zeros(1, 1, 512, 512)
    dot[0, 0, 256, 256] = 1
    grown = dilate(dot, 4)  # 8 pixels at 512
    y, x = torch.meshgrid(torch.arange(512), torch.arange(512), indexing="ij")
    disc = ((y - 256) ** 2 + (x - 256) ** 2 <= 64).float()
    assert torch.equal(grown[0, 0], disc)


def test_dilating_nothing_gives_nothing() -> None:
    assert dilate(torch.zeros(1, 1, 32, 32), 4).sum() == 0


def test_resize_keeps_constants_and_is_differentiable() -> None:
    image = torch.full((1, 3, 64, 64), 0.3, requires_grad=True)
    small = resize(image, 16)
    # float32: weights that sum to 1
    assert torch.allclose(small, torch.full_like(small, 0.3), atol=1e-6)
    small.sum().backward()
    assert image.grad is not None
    assert torch.allclose(image.grad.sum(), torch.tensor(3.0 * 16 * 16), rtol=1e-4)


@pytest.mark.parametrize("size", [128, 256])
def test_blur_spreads_a_point_as_a_gaussian_of_the_same_share_of_the_picture(size: int) -> None:
    point = torch.zeros(1, 1, size, size)
    point[..., size // 2, size // 2] = 1
    found = blur(point, 4.0)
    rows = torch.arange(size) - size // 2
    # as above
    assert float(found.sum()) == pytest.approx(1, abs=1e-5)
    sigma = 4.0 * size / 256
    assert float((found.sum((0, 1, 3)) * rows.square()).sum()) == pytest.approx(sigma**2, rel=0.05)
