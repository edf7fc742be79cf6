"""A generator whose pictures are linear in w, so that inversions have closed forms."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import torch
from torch import Tensor, nn

from unmask.config import GeneratorConfig
from unmask.generators.base import Generator, borrowed


class LinearGenerator(Generator):
    """z = w; every w of w_plus adds its own basis pictures."""

    z_dim = 6
    w_dim = 6
    num_ws = 3
    resolution = 16
    full_resolution = 16
    num_active_ws = 2  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(0)
        basis = torch.randn(self.num_active_ws, self.w_dim, 3, 8, 8, generator=rng) * 0.1
        self.basis = nn.Parameter(basis.repeat_interleave(2, -1).repeat_interleave(2, -2), requires_grad=False)

    def compute_in(self, dtype: torch.dtype | None) -> None:
        pass

    def map(self, z: Tensor) -> Tensor:
        return z.clone()

    def synthesize(self, w_plus: Tensor, noise: tuple[Tensor, ...] | None = None) -> Tensor:
        return torch.einsum("bld,ldchw->bchw", w_plus[:, : self.num_active_ws], self.basis)

    def synthesize_full(self, w_plus: Tensor, noise: tuple[Tensor, ...] | None = None) -> Tensor:
        return self.synthesize(w_plus)

    def tunable(self) -> AbstractContextManager[tuple[nn.Parameter, ...]]:
        return borrowed([self.basis])

    @property
    def noise_maps(self) -> tuple[Tensor, ...]:
        return ()

    @property
    def picture_model_path(self) -> Path | None:
        return None

    @property
    def encoder_path(self) -> Path | None:
        return None

    @property
    def controls_path(self) -> Path | None:
        return None

    @classmethod
    def build(cls, config: GeneratorConfig, resolution: int) -> LinearGenerator:
        return cls()
