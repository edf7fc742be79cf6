"""Losses of pictures, one value per picture: never a mean over the batch, so neighbours cannot matter."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from unmask.kinds import PixelLoss

BCE_MARGIN = 1e-4
"""Pixels are kept this far from 0 and 1 in the cross-entropy, where its gradient would be infinite."""


def pixel_loss(generated: Tensor, target: Tensor, weight: Tensor, kind: PixelLoss) -> Tensor:
    """Compare pixels where `weight` is not zero.

    Args:
        generated, target: (B,3,H,W) in [-1,1].
        weight: (B,1,H,W), non-negative; the result is the mean weighted with it.
        kind: mse and l1 on [-1,1]; bce treats pixels as probabilities on [0,1], in nats.
    Returns:
        (B,) one value per picture; 0 where the weight is 0 everywhere.
    """
    if kind is PixelLoss.mse:
        error = (generated - target).square()
    elif kind is PixelLoss.l1:
        error = (generated - target).abs()
    else:
        probability = ((generated + 1) / 2).clamp(BCE_MARGIN, 1 - BCE_MARGIN)
        error = F.binary_cross_entropy(probability, (target + 1) / 2, reduction="none")
    return masked_mean(error, weight)


def masked_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Mean of (B,C,H,W) values over channels and pixels, weighted by (B,1,H,W): (B,)."""
    total = (values.mean(1, keepdim=True) * weight).sum((1, 2, 3))
    return total / weight.sum((1, 2, 3)).clamp_min(1e-8)


def unit_normalise(features: Tensor) -> Tensor:
    """Scale every pixel's feature vector (dim 1) to length one, as LPIPS does (Zhang et al. 2018)."""
    return features * torch.rsqrt(features.square().sum(1, keepdim=True) + 1e-10)
