"""Coordinates in which a projection moves: w itself, or whitened ones in which a step is as likely in every direction.

W of a StyleGAN is far from isotropic: most of its variance lies along a few dozen directions, and a step of the same
length along the others leaves the faces the generator knows. Zhu et al. 2020 ("Improved StyleGAN Embedding: Where are
the Good Latents?", section 3) undo the mapping network's last LeakyReLU, which leaves w nearly Gaussian (their P), and
whiten that (P_N).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor

from unmask.config import LatentSpaceName
from unmask.projection.latents import LatentStatistics, statistics_of

MAPPING_SLOPE = 0.2
"""Slope of the LeakyReLU that ends StyleGAN's mapping network."""
SMALLEST_VARIANCE = 1e-4
"""Variance of a whitened direction at the least, relative to the mean over directions; some have none at all."""


class LatentSpace(ABC):
    """An invertible change of coordinates of every w.

    Attributes:
        statistics: the latents' moments over random z, in these coordinates.
    """

    statistics: LatentStatistics

    @abstractmethod
    def to_w(self, latents: Tensor) -> Tensor:
        """(...,w_dim) -> (...,w_dim)."""

    @abstractmethod
    def from_w(self, w: Tensor) -> Tensor:
        """(...,w_dim) -> (...,w_dim), the inverse of `to_w`."""


@final
@dataclass(frozen=True)
class WSpace(LatentSpace):
    """w as it is."""

    statistics: LatentStatistics

    def to_w(self, latents: Tensor) -> Tensor:
        """See `LatentSpace.to_w`."""
        return latents

    def from_w(self, w: Tensor) -> Tensor:
        """See `LatentSpace.from_w`."""
        return w


@final
@dataclass(frozen=True)
class WhitenedSpace(LatentSpace):
    """P_N: mean 0 and deviation 1 along uncorrelated directions, before the mapping network's last LeakyReLU.

    Attributes:
        centre: (w_dim,) the mean in P.
        axes: (w_dim,w_dim) principal directions of P in rows, each as long as its standard deviation.
        inverse: (w_dim,w_dim) what takes P less its mean back to coordinates along them.
    """

    statistics: LatentStatistics
    centre: Tensor
    axes: Tensor
    inverse: Tensor

    def to_w(self, latents: Tensor) -> Tensor:
        """See `LatentSpace.to_w`."""
        return F.leaky_relu(self.centre + latents @ self.axes, MAPPING_SLOPE)

    def from_w(self, w: Tensor) -> Tensor:
        """See `LatentSpace.from_w`."""
        return (F.leaky_relu(w, 1 / MAPPING_SLOPE) - self.centre) @ self.inverse


def build_space(name: LatentSpaceName, w: Tensor) -> LatentSpace:
    """The space `name`, measured on random w (N,w_dim) with N well above w_dim."""
    if name is LatentSpaceName.w:
        return WSpace(statistics_of(w))
    return whiten(w)


@torch.no_grad()
def whiten(w: Tensor) -> WhitenedSpace:
    """Fit P_N to random w (N,w_dim)."""
    p = F.leaky_relu(w, 1 / MAPPING_SLOPE).double().cpu()
    centre = p.mean(0)
    axes, inverse = principal_axes(p)

    def placed(x: Tensor) -> Tensor:
        return x.to(w).contiguous()

    unit = LatentStatistics(torch.zeros_like(w[0]), torch.ones_like(w[0]))
    return WhitenedSpace(unit, placed(centre), placed(axes), placed(inverse))


def principal_axes(x: Tensor) -> tuple[Tensor, Tensor]:
    """The principal directions of x (N,D) in rows, each as long as its standard deviation, (D,D), and the inverse."""
    variance, directions = torch.linalg.eigh(torch.cov(x.T))
    deviation = variance.clamp_min(SMALLEST_VARIANCE * float(variance.mean())).sqrt()
    return (directions * deviation).T, directions / deviation
