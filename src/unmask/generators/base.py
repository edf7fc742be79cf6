"""The interface of a face prior: a frozen generator that a projection can invert."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


class Generator(nn.Module, ABC):
    """A pretrained generator of aligned faces, frozen (no parameter requires a gradient).

    Attributes set by every subclass:
        z_dim, w_dim: sizes of the two latents, in numbers.
        num_ws: how many w the synthesis takes, one per style input.
        resolution: height and width of `synthesize`'s pictures, in pixels.
        full_resolution: height and width of `synthesize_full`'s pictures.
    """

    z_dim: int
    w_dim: int
    num_ws: int
    resolution: int
    full_resolution: int

    @classmethod
    @abstractmethod
    def build(cls, config: Any, resolution: int) -> Generator:
        """Load the prior of its schema in `unmask.config` for pictures of `resolution` pixels, on the CPU.

        Weights are fetched if missing.
        """

    @abstractmethod
    def compute_in(self, dtype: torch.dtype | None) -> None:
        """Run `synthesize`'s convolutions in `dtype` from now on, None: in that of the weights; latents, noise and
        pictures stay in fp32."""

    @abstractmethod
    def map(self, z: Tensor) -> Tensor:
        """z (B,z_dim) standard normal -> w (B,w_dim)."""

    @abstractmethod
    def synthesize(self, w_plus: Tensor, noise: tuple[Tensor, ...] | None = None) -> Tensor:
        """w_plus (B,num_ws,w_dim) -> pictures (B,3,resolution,resolution), RGB, nominally in [-1,1], not clamped.

        `noise` replaces the maps of `noise_maps` (each (1 or B,1,h,w)); None uses the generator's own.
        """

    @abstractmethod
    def synthesize_full(self, w_plus: Tensor, noise: tuple[Tensor, ...] | None = None) -> Tensor:
        """w_plus (B,num_ws,w_dim) -> pictures (B,3,full_resolution,full_resolution), RGB, nominally in [-1,1].

        `noise` as for `synthesize`.
        """

    @abstractmethod
    def tunable(self) -> AbstractContextManager[tuple[nn.Parameter, ...]]:
        """The parameters that shape `synthesize`'s and `synthesize_full`'s pictures alike.

        Within the context they take gradients and may be changed; after it everything is as it was.
        """

    @property
    @abstractmethod
    def noise_maps(self) -> tuple[Tensor, ...]:
        """The noise inputs a projection may optimise, (1,1,h,w) each; empty for a generator with fixed noise."""

    @property
    @abstractmethod
    def num_active_ws(self) -> int:
        """How many of the first w of w_plus change `synthesize`'s picture; the rest only act at full resolution."""

    @property
    @abstractmethod
    def picture_model_path(self) -> Path | None:
        """The shipped `unmask.projection.regression.PictureModel` of this very generator, if there is one."""

    @property
    @abstractmethod
    def encoder_path(self) -> Path | None:
        """The shipped `unmask.projection.encoder.LatentEncoder` of this very generator, if there is one."""

    @property
    @abstractmethod
    def controls_path(self) -> Path | None:
        """The shipped `unmask.projection.controls.Controls` of this very generator, if there are any."""


@contextmanager
def borrowed(parameters: Sequence[nn.Parameter]) -> Iterator[tuple[nn.Parameter, ...]]:
    """Frozen parameters that take gradients for a while and get their values back afterwards, whatever happens."""
    before = [parameter.detach().clone() for parameter in parameters]
    for parameter in parameters:
        parameter.requires_grad_(True)
    try:
        yield tuple(parameters)
    finally:
        for parameter, value in zip(parameters, before, strict=True):
            parameter.requires_grad_(False).copy_(value)
            parameter.grad = None
