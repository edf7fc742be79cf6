"""Directions of w in which one attribute of a generator's faces changes, and how far to go for a wish.

Attributes of a GAN's faces are nearly linear in w (Shen et al. 2020, "Interpreting the Latent Space of GANs for
Semantic Face Editing", InterFaceGAN; Härkönen et al. 2020, "GANSpace"), so a ridge regression on w gives each one's
gradient. Where only a part of the face may change, the gradient is not the way to go: among all changes of w that bring
about what is wished, the likeliest one given the visible pixels is Σg/(gᵀΣg), with the posterior covariance Σ of
`unmask.projection.regression`: the conditional mean of a Gaussian. scripts/fit_controls.py makes the file that ships.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from unmask.errors import UnmaskError
from unmask.files import atomic_path
from unmask.projection.regression import PictureModel
from unmask.projection.spaces import principal_axes
from unmask.tensorfiles import UNREADABLE, checked_weights, parsed, read_safetensors

CONTROLS = ("mouth_open", "smile", "beard", "age")
"""Attributes that can be wished, by the names of their options."""
RIDGE = 100.0
"""Of the regression on whitened w: so many faces' worth of belief that an attribute does not depend on a direction. On
2,400 faces of MobileStyleGAN the best of 10, 50, 100, 300 and 1000, on 600 others."""


@dataclass(frozen=True)
class Controls:
    """
    Attributes:
        names: of the A attributes.
        centre: (D,) a w.
        values: (A,) the attributes to expect there, each in its own unit.
        gradients: (A,D) their changes with w.
    """

    names: tuple[str, ...]
    centre: Tensor
    values: Tensor
    gradients: Tensor

    def expected(self, w: Tensor) -> Tensor:
        """w (...,D) -> (...,A)."""
        return self.values + (w - self.centre) @ self.gradients.T

    def only(self, names: tuple[str, ...]) -> Controls:
        """Those of `names`, in this order.

        Raises:
            KeyError: there is none of one of them.
        """
        rows = [{name: row for row, name in enumerate(self.names)}[name] for name in names]
        return Controls(names, self.centre, self.values[rows], self.gradients[rows])

    def to(self, device: torch.device) -> Controls:
        """The same on `device`."""
        return Controls(self.names, self.centre.to(device), self.values.to(device), self.gradients.to(device))

    def save(self, path: Path, facts: dict[str, object]) -> None:
        """As safetensors, atomically; `facts` say how they were fitted."""
        tensors = {"centre": self.centre, "values": self.values, "gradients": self.gradients}
        metadata = {"names": json.dumps(self.names), "facts": json.dumps(facts)}
        with atomic_path(path) as temporary:
            save_file({name: one.float().contiguous() for name, one in tensors.items()}, temporary, metadata=metadata)

    @staticmethod
    def load(path: Path, w_dim: int) -> Controls:
        """Those in the file `path`, for a generator whose w has `w_dim` numbers.

        Raises:
            UnmaskError: the file is missing, holds something else, or belongs to a generator of another shape.
        """
        try:
            tensors, metadata = read_safetensors(path)
            checked_weights(tensors)
            found = Controls(tuple(parsed(metadata["names"])), **tensors)
            shapes = (found.centre.shape, found.values.shape, found.gradients.shape)
            attributes, width = len(found.names), found.centre.numel()
            if shapes != ((width,), (attributes,), (attributes, width)):
                raise ValueError(f"shapes {', '.join(str(tuple(shape)) for shape in shapes)} do not go together")
        except (*UNREADABLE, KeyError, ValueError, TypeError) as error:
            raise UnmaskError(f"{path}: no controls of a generator ({error}); see scripts/fit_controls.py.") from error
        if width != w_dim:
            raise UnmaskError(f"{path}: made for a generator whose w has {width} numbers, but this one has {w_dim}.")
        return found


@torch.no_grad()
def fit_controls(names: tuple[str, ...], w: Tensor, attributes: Tensor, ridge: float = RIDGE) -> Controls:
    """Regress attributes (N,A) of N faces on their w (N,D), in float64.

    The ridge acts along the principal directions of w, each in units of its deviation.
    """
    centre, values = w.double().mean(0), attributes.double().mean(0)
    _, inverse = principal_axes(w.double())
    u = (w.double() - centre) @ inverse
    moments = u.T @ u
    moments.diagonal().add_(ridge)
    slopes = torch.linalg.solve(moments, u.T @ (attributes.double() - values))
    return Controls(names, centre.float(), values.float(), (inverse @ slopes).T.float().contiguous())


@torch.no_grad()
def unexplained_covariance(model: PictureModel, w: Tensor) -> Tensor:
    """Covariance (D,D) of the part of w that the components of `model` do not tell.

    Args:
        w: (N,D) random ones. The model may have been fitted to truncated faces, whose variance is smaller: all of the
            variance counts along the direction that the components tell best.
    """
    axes, inverse = principal_axes(w.double())
    told = model.w_basis.double()
    whitened = told @ inverse
    share, directions = torch.linalg.eigh(whitened.T @ whitened)
    rest = directions * (share[-1] - share).clamp_min(0).sqrt()
    half = rest.T @ axes
    return (half.T @ half).float()


@torch.no_grad()
def likeliest_moves(gradients: Tensor, covariance_times_gradients: Tensor) -> Tensor:
    """The likeliest changes of w, (m,D), that change one of m attributes by 1 each and no other.

    Args:
        gradients: G (m,D); covariance_times_gradients: GΣ (m,D).
    """
    gram = covariance_times_gradients.double() @ gradients.double().T
    return torch.linalg.solve(gram, covariance_times_gradients.double()).to(gradients)
