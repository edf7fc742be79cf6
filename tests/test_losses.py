"""Losses in closed form, per picture."""

import math

import pytest
import torch

from unmask.kinds import PixelLoss
from unmask.losses import BCE_MARGIN, masked_mean, pixel_loss, unit_normalise


def test_pixel_losses_in_closed_form() -> None:
    generated, target = torch.full((1, 3, 4, 4), 0.5), torch.full((1, 3, 4, 4), -0.5)
    everywhere = torch.ones(1, 1, 4, 4)
    assert pixel_loss(generated, target, everywhere, PixelLoss.mse).item() == pytest.approx(1.0)
    assert pixel_loss(generated, target, everywhere, PixelLoss.l1).item() == pytest.approx(1.0)
    expected = -(0.25 * math.log(0.75) + 0.75 * math.log(0.25))
    assert pixel_loss(generated, target, everywhere, PixelLoss.bce).item() == pytest.approx(expected, rel=1e-5)


def test_bce_is_least_at_the_target_and_finite_at_the_ends() -> None:
    target = torch.full((1, 3, 2, 2), 0.4)
    values = [
        pixel_loss(torch.full_like(target, v), target, torch.ones(1, 1, 2, 2), PixelLoss.bce).item()
        for v in (-1.5, 0.2, 0.4, 0.6, 1.5)
    ]
    assert min(values) == values[2]
    assert max(values) < -math.log(BCE_MARGIN) + 1e-3


@pytest.mark.parametrize("kind", list(PixelLoss))
def test_hidden_pixels_have_no_influence_and_no_gradient(kind: PixelLoss) -> None:
    torch.manual_seed(0)
    generated = (torch.rand(1, 3, 8, 8) - 0.5).requires_grad_(True)
    target = torch.rand(1, 3, 8, 8) - 0.5
    visible = (torch.rand(1, 1, 8, 8) > 0.5).float()
    loss = pixel_loss(generated, target, visible, kind)
    elsewhere = pixel_loss(generated, target + (1 - visible) * 0.3, visible, kind)
    assert torch.equal(loss, elsewhere)
    loss.sum().backward()
    assert generated.grad is not None
    assert (generated.grad * (1 - visible)).abs().max() == 0
    assert (generated.grad * visible).abs().min() >= 0 and generated.grad.abs().max() > 0


@pytest.mark.parametrize("kind", list(PixelLoss))
def test_a_picture_s_loss_is_its_own(kind: PixelLoss) -> None:
    torch.manual_seed(1)
    a, b, w = torch.rand(3, 3, 8, 8), torch.rand(3, 3, 8, 8), torch.rand(3, 1, 8, 8)
    together = pixel_loss(a, b, w, kind)
    alone = torch.cat([pixel_loss(a[i : i + 1], b[i : i + 1], w[i : i + 1], kind) for i in range(3)])
    assert torch.allclose(together, alone, rtol=1e-6)


def test_nothing_visible_is_zero_not_nan() -> None:
    assert masked_mean(torch.ones(1, 3, 4, 4), torch.zeros(1, 1, 4, 4)).item() == 0


def test_unit_normalise() -> None:
    features = torch.randn(2, 5, 3, 3)
    # float32, and what keeps the division safe
    assert torch.allclose(unit_normalise(features).norm(dim=1), torch.ones(2, 3, 3), atol=1e-5)
    assert unit_normalise(torch.zeros(1, 5, 1, 1)).isfinite().all()
