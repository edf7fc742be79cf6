"""Adversarial losses: means over all patches of all pictures, as the methods that use them are defined."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from unmask.kinds import AdversarialLoss

GRADIENT_PENALTY = 10.0
"""Weight of the gradient penalty (Gulrajani et al. 2017)."""


def adversarial_loss(scores: Tensor, *, real: bool, kind: AdversarialLoss) -> Tensor:
    """How far the scores are from calling everything `real`, or everything fake.

    Args:
        scores: a discriminator's output, any shape, higher for real.
        kind: lsgan: mean square to 1 or 0 (Mao et al. 2017); vanilla: cross-entropy on logits, in nats (Goodfellow et
            al. 2014); wgangp: the mean, negated for real (Arjovsky et al. 2017).
    Returns:
        A scalar.
    """
    if kind is AdversarialLoss.wgangp:
        return -scores.mean() if real else scores.mean()
    target = torch.full_like(scores, float(real))
    if kind is AdversarialLoss.vanilla:
        return F.binary_cross_entropy_with_logits(scores, target)
    return F.mse_loss(scores, target)


def gradient_penalty(discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, alpha: Tensor) -> Tensor:
    """`GRADIENT_PENALTY` times the mean squared distance from 1 of the gradient's norm between real and fake pictures.

    Gulrajani et al. 2017, equation 3; a constant 1e-16 inside the norm keeps its gradient finite, as in the reference
    program.

    Args:
        real, fake: (B,C,H,W).
        alpha: (B,1) in [0,1], where between them each picture's gradient is taken; 1 is at the real one.
    """
    share = alpha[:, :, None, None]
    between = (share * real + (1 - share) * fake).detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(discriminator(between).sum(), between, create_graph=True)
    norm = (gradient.flatten(1) + 1e-16).norm(2, dim=1)
    return GRADIENT_PENALTY * (norm - 1).square().mean()


def gradient_penalty_at_random(discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
    """`gradient_penalty` at a random place between each real and fake picture, drawn from torch's generator."""
    alpha = torch.rand(len(real), 1, device=real.device, dtype=real.dtype)
    return gradient_penalty(discriminator, real, fake, alpha)
