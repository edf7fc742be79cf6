"""Adversarial losses against the reference program's values and gradients, and closed forms."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from helpers.golden_arrays import Arrays, assert_close
from unmask.adversarial import adversarial_loss, gradient_penalty
from unmask.kinds import AdversarialLoss
from unmask.networks.discriminators import PatchDiscriminator
from unmask.networks.kinds import Norm


@pytest.mark.parametrize("real", [True, False])
@pytest.mark.parametrize("kind", AdversarialLoss)
def test_equals_the_reference(kind: AdversarialLoss, real: bool, golden: Path) -> None:
    arrays = Arrays(golden, "ganloss")
    scores = arrays.tensor("in.pred").requires_grad_(True)
    loss = adversarial_loss(scores, real=real, kind=kind)
    loss.backward()
    key = f"out.{kind.name}.{'real' if real else 'fake'}"
    assert float(loss.detach()) == pytest.approx(float(arrays.tensor(key)), rel=1e-6)
    assert scores.grad is not None
    # the arrays' README: GAN losses to 1e-6
    assert_close(scores.grad, arrays.tensor(f"{key}.grad"), rtol=1e-6, atol=1e-7, what=key)


def test_gradient_penalty_equals_the_reference(golden: Path) -> None:
    arrays = Arrays(golden, "ganloss")
    network = PatchDiscriminator(3, ndf=8, norm=Norm.instance)
    network.load_state_dict(arrays.below("D."), strict=True)
    real, fake, alpha = (arrays.tensor(f"in.gp.{name}") for name in ("real", "fake", "alpha"))
    penalty = gradient_penalty(network, real, fake, alpha)
    assert float(penalty.detach()) == pytest.approx(float(arrays.tensor("out.gp.mixed")), rel=1e-5)
    penalty.backward()
    assert all(p.grad is not None for name, p in network.named_parameters() if name.endswith("weight"))


def test_closed_forms() -> None:
    scores = torch.tensor([[0.25, 0.75]])
    assert float(adversarial_loss(scores, real=True, kind=AdversarialLoss.lsgan)) == pytest.approx(0.3125)
    zero = torch.zeros(3)
    assert float(adversarial_loss(zero, real=False, kind=AdversarialLoss.vanilla)) == pytest.approx(math.log(2))
    assert float(adversarial_loss(scores, real=True, kind=AdversarialLoss.wgangp)) == -0.5
    # A discriminator whose gradient has norm 1 everywhere is not penalised.
    picture = torch.zeros(2, 3, 4, 4)
    alpha = torch.tensor([[0.3], [0.8]])
    assert float(gradient_penalty(lambda x: x.flatten(1)[:, :1], picture, picture + 1, alpha)) == pytest.approx(0)
