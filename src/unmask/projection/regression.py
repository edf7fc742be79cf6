"""A linear-Gaussian model of a generator's pictures, which tells the expected w from the visible pixels alone.

Thumbnails of many random faces are described by their principal components with normal coefficients; w is regressed on
the coefficients once. For a picture with a hole, the coefficients' posterior mean given the visible pixels is a small
ridge regression in closed form (the conditional mean of a probabilistic PCA, Tipping & Bishop 1999), whatever the shape
of the hole. It costs milliseconds and needs no training on masks.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from unmask.errors import UnmaskError
from unmask.files import atomic_path
from unmask.images import resize
from unmask.tensorfiles import UNREADABLE, read_safetensors

NEGLIGIBLE = 1e-5
"""Components whose deviation is below this share of the first one's are left out."""


@dataclass(frozen=True)
class PictureModel:
    """Attributes:
    centre: (3,S,S) the mean thumbnail.
    basis: (K,3,S,S) principal components, each as long as its standard deviation.
    w_centre: (D,) the mean w.
    w_basis: (K,D) change of w for one standard deviation of a component.
    """

    centre: Tensor
    basis: Tensor
    w_centre: Tensor
    w_basis: Tensor

    @torch.no_grad()
    def expected_w(self, masked: Tensor, visible: Tensor, *, ridge: float) -> Tensor:
        """The w to expect from the visible pixels: (B,D).

        Args:
            masked: (B,3,H,W) in [-1,1]; visible: (B,1,H,W).
            ridge: how far pixels are from the model: the variance, relative to that of the pixels, of a disturbance
                that all visible pixels together cannot average out. Larger stays nearer to the mean face.
        """
        small, seen = visible_thumbnails(masked, visible, self.centre)
        found = []
        for picture, where in zip(small, seen, strict=True):
            found.append(self.change_behind(picture - self.centre, where, ridge=ridge))
        return self.w_centre + torch.stack(found)

    @torch.no_grad()
    def posterior_moves(self, visible: Tensor, noise: Tensor, *, ridge: float) -> Tensor:
        """Draws from the posterior of w given the visible pixels, less its mean `expected_w`: (B,D).

        Of what the components tell of w; what they do not tell stays as it is.

        Args:
            visible: (B,1,H,W).
            noise: (B,K) standard normal, which the draws are a linear function of.
            ridge: as for `expected_w`, and here the variance of that disturbance.
        """
        size = self.centre.shape[-1]
        seen = 1 - F.adaptive_max_pool2d(1 - visible, size)
        variance = float(ridge * self.basis.square().sum(0).mean())
        found = []
        for where, drawn in zip(seen, noise, strict=True):
            keep = (where > 0.5).expand_as(self.centre)
            # The coefficients' covariance is variance · normal⁻¹, and normal = L·Lᵀ.
            factor = torch.linalg.cholesky(self._normal(keep, ridge))
            moved = torch.linalg.solve_triangular(factor.T, drawn.double()[:, None], upper=True)
            found.append((variance**0.5 * moved[:, 0]).float() @ self.w_basis)
        return torch.stack(found)

    @torch.no_grad()
    def posterior_covariance(self, where: Tensor, vectors: Tensor, *, ridge: float) -> Tensor:
        """Covariance of w given one picture's visible pixels, times vectors (m,D): (m,D). The part the components tell.

        Args:
            where: (1,S,S), 1 where the thumbnail is seen, as `visible_thumbnails` gives it.
            ridge: as for `posterior_moves`.
        """
        normal = self._normal((where > 0.5).expand_as(self.centre), ridge)
        variance = ridge * self.basis.square().sum(0).mean().double()
        told = torch.linalg.solve(normal, self.w_basis.double() @ vectors.double().T)
        return (variance * told.T @ self.w_basis.double()).to(vectors)

    @torch.no_grad()
    def change_behind(self, change: Tensor, where: Tensor, *, ridge: float) -> Tensor:
        """The change of w (D,) to expect behind a change (3,S,S) of one thumbnail, seen at `where` (1,S,S)."""
        keep = (where > 0.5).expand_as(change)
        wanted = change[keep].double()
        moment = self.basis[:, keep].double() @ wanted / max(1, len(wanted))
        return torch.linalg.solve(self._normal(keep, ridge), moment).to(self.w_basis) @ self.w_basis

    def _normal(self, keep: Tensor, ridge: float) -> Tensor:
        """keep (3,S,S), what is visible -> (K,K) float64, the matrix of the normal equations per visible number."""
        design = self.basis[:, keep].double()
        normal = design @ design.T / max(1, design.shape[1])
        normal.diagonal().add_(ridge * self.basis.square().sum(0).mean())
        return normal

    def to(self, device: torch.device) -> PictureModel:
        """The same on `device`."""
        return PictureModel(**{name: value.to(device) for name, value in vars(self).items()})

    def save(self, path: Path) -> None:
        """As float16 safetensors, atomically."""
        tensors = {name: value.half().contiguous() for name, value in vars(self).items()}
        with atomic_path(path) as temporary:
            save_file(tensors, temporary)

    @staticmethod
    def load(path: Path) -> PictureModel:
        """Raises UnmaskError if the file is missing or holds something else."""
        try:
            return PictureModel(**{name: value.float() for name, value in read_safetensors(path)[0].items()})
        except (*UNREADABLE, TypeError) as error:
            raise UnmaskError(f"{path}: not a picture model ({error}); see scripts/fit_picture_model.py.") from error


def visible_thumbnails(masked: Tensor, visible: Tensor, centre: Tensor) -> tuple[Tensor, Tensor]:
    """Shrink pictures to the size of `centre` (3,S,S) without a trace of their hidden pixels.

    Shrinking looks beyond a pixel's own cell, so the mean face stands in for what is hidden; a thumbnail's pixel counts
    only if every pixel of its cell is visible.

    Returns:
        (B,3,S,S) thumbnails and (B,1,S,S), 1 where they count.
    """
    size = centre.shape[-1]
    filler = F.interpolate(centre[None], masked.shape[-2:], mode="bilinear", align_corners=False)
    filled = torch.where(visible > 0, masked, filler)
    return resize(filled, size), 1 - F.adaptive_max_pool2d(1 - visible, size)


@torch.no_grad()
def fit_picture_model(w: Tensor, thumbnails: Tensor, components: int) -> PictureModel:
    """Fit to N random faces: w (N,D) and their thumbnails (N,3,S,S); at most N-1 components, none negligible."""
    centre, w_centre = thumbnails.mean(0), w.mean(0)
    rows = (thumbnails - centre).flatten(1)
    with torch.random.fork_rng():
        torch.manual_seed(0)  # the decomposition is a randomised one
        _, scale, directions = torch.svd_lowrank(rows, q=min(components, len(rows) - 1), niter=4)
    kept = scale > NEGLIGIBLE * scale[0]  # fewer where the pictures have fewer: the rest would be rounding
    scale, directions = scale[kept], directions[:, kept]
    deviation = scale / (len(rows) - 1) ** 0.5
    coefficients = rows @ directions / deviation
    w_basis = coefficients.T @ (w - w_centre) / (len(rows) - 1)
    basis = (directions * deviation).T.unflatten(1, thumbnails.shape[1:])
    return PictureModel(centre, basis.contiguous(), w_centre, w_basis)
