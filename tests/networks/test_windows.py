"""Windows around the hole."""

from __future__ import annotations

import pytest
import torch

from unmask.networks.windows import cut, places, take, windows_around


def hole_of(rows: slice, columns: slice, size: int = 64) -> torch.Tensor:
    hole = torch.zeros(1, 1, size, size)
    hole[..., rows, columns] = 1
    return hole


@pytest.mark.parametrize(
    ("rows", "columns", "top", "left"),
    [
        (slice(30, 50), slice(16, 48), 24, 12),  # its middle is that of the hole: row 40, column 32
        (slice(56, 64), slice(0, 8), 32, 0),  # as far as the picture reaches
        (slice(0, 0), slice(0, 0), 16, 12),  # no hole: the middle
    ],
)
def test_a_window_is_centred_on_the_hole(rows: slice, columns: slice, top: int, left: int) -> None:
    (window,) = windows_around(hole_of(rows, columns))
    assert (window.rows, window.columns) == (slice(top, top + 32), slice(left, left + 40))


def test_every_picture_has_its_own() -> None:
    hole = torch.cat([hole_of(slice(30, 50), slice(16, 48)), hole_of(slice(0, 9), slice(50, 60))])
    images = torch.arange(2 * 3 * 64 * 64, dtype=torch.float32).reshape(2, 3, 64, 64)
    found = cut(images, windows_around(hole))
    assert torch.equal(found[0], images[0, :, 24:56, 12:52])
    assert torch.equal(found[1], images[1, :, 0:32, 24:64])


def test_places_are_those_of_a_square_window_for_every_picture() -> None:
    hole = torch.cat([hole_of(slice(30, 50), slice(16, 48)), hole_of(slice(0, 9), slice(50, 60))])
    images = torch.arange(2 * 3 * 64 * 64, dtype=torch.float32).reshape(2, 3, 64, 64).requires_grad_(True)
    found = take(images, places(hole, 0.5))
    assert torch.equal(found[0], images[0, :, 24:56, 16:48])
    assert torch.equal(found[1], images[1, :, 0:32, 32:64])
    (gradient,) = torch.autograd.grad(found.sum(), images)
    assert gradient.sum() == 2 * 3 * 32 * 32 and gradient.max() == 1
    assert places(hole, 0.6).shape == (2, 40, 40), "a multiple of eight"
