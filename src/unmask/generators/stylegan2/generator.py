"""StyleGAN2 as a face prior: a checkpoint's generator, frozen."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unmask.config import NoiseMode, StyleGAN2Config
from unmask.errors import UnmaskError
from unmask.generators.base import Generator, borrowed
from unmask.generators.stylegan2.architecture import GeneratorArchitecture
from unmask.generators.stylegan2.checkpoints.locate import open_checkpoint
from unmask.generators.stylegan2.networks import Networks

log = logging.getLogger(__name__)


@final
class StyleGAN2(Generator):
    """The face prior of a StyleGAN2 checkpoint.

    Below the checkpoint's own resolution `synthesize` shrinks its pictures by averaging areas; the work is that of the
    full picture.
    """

    def __init__(
        self,
        settings: GeneratorArchitecture,
        state: dict[str, Tensor],
        *,
        resolution: int,
        noise_mode: NoiseMode = NoiseMode.const,
        class_index: int | None = None,
    ) -> None:
        """
        Args:
            state: every tensor, by the names of stylegan2-ada-pytorch.
            resolution: of `synthesize`'s pictures.
        Raises:
            UnmaskError: settings that do not fit the generator.
        """
        super().__init__()
        if resolution > settings.resolution or settings.resolution % resolution:
            raise UnmaskError(
                f"data.resolution={resolution}: the generator's pictures have {settings.resolution} pixels; "
                "choose that, or a half, a quarter and so on of it."
            )
        if (class_index is None) != (settings.c_dim == 0) or not 0 <= (class_index or 0) < max(1, settings.c_dim):
            known = f"knows classes 0 to {settings.c_dim - 1}" if settings.c_dim else "is unconditional; leave it null"
            given = "null" if class_index is None else class_index
            raise UnmaskError(f"generator.class_index={given}: the generator {known}.")
        networks = Networks(settings)
        networks.load_state_dict(state, strict=True, assign=True)
        self.mapping, self.synthesis = networks.mapping, networks.synthesis
        self.z_dim, self.w_dim, self.num_ws = settings.z_dim, settings.w_dim, settings.num_ws
        self.resolution, self.full_resolution = resolution, settings.resolution
        self.noise_mode = noise_mode
        label = None if class_index is None else F.one_hot(torch.tensor([class_index]), settings.c_dim).float()
        self.register_buffer("label", label, persistent=False)
        self.requires_grad_(False).eval()
        self.synthesis.freeze()

    @classmethod
    def build(cls, config: StyleGAN2Config, resolution: int) -> StyleGAN2:
        """See `Generator.build`; `generator.checkpoint` is read, or fetched first.

        Raises:
            UnmaskError: there is none, it cannot be had or read, or other settings do not fit it.
        """
        checkpoint = open_checkpoint(config.checkpoint, config.network)
        for remark in checkpoint.source.remarks:
            log.info("%s: %s", config.checkpoint, remark)
        return cls(
            checkpoint.settings,
            checkpoint.state,
            resolution=resolution,
            noise_mode=config.noise_mode,
            class_index=config.class_index,
        )

    @property
    def num_active_ws(self) -> int:
        """All."""
        return self.num_ws

    @property
    def noise_maps(self) -> tuple[Tensor, ...]:
        """The constant noise of every layer, coarse to fine; empty if noise_mode=none takes it away."""
        return () if self.noise_mode is NoiseMode.none else self.synthesis.noise_maps()

    @property
    def picture_model_path(self) -> Path | None:
        """None: nothing ships for checkpoints."""
        return None

    @property
    def encoder_path(self) -> Path | None:
        """None: nothing ships for checkpoints."""
        return None

    @property
    def controls_path(self) -> Path | None:
        """None: nothing ships for checkpoints."""
        return None

    def compute_in(self, dtype: torch.dtype | None) -> None:
        """See `Generator.compute_in`."""
        self.synthesis.freeze(dtype)

    @contextmanager
    def tunable(self) -> Iterator[tuple[nn.Parameter, ...]]:
        """See `Generator.tunable`: all of the synthesis, which computes in fp32 meanwhile."""
        dtype = self.synthesis.dtype
        self.synthesis.thaw()
        try:
            with borrowed(tuple(self.synthesis.parameters())) as parameters:
                yield parameters
        finally:
            self.synthesis.freeze(dtype)

    def map(self, z: Tensor) -> Tensor:
        """z (B,z_dim) -> w (B,w_dim)."""
        label = self.label
        assert label is None or isinstance(label, Tensor)
        return self.mapping(z, None if label is None else label.expand(len(z), -1))

    def synthesize(self, w_plus: Tensor, noise: tuple[Tensor, ...] | None = None) -> Tensor:
        """w_plus (B,num_ws,w_dim) -> RGB (B,3,resolution,resolution)."""
        picture = self.synthesis(w_plus, noise, self.noise_mode)
        if self.resolution == self.full_resolution:
            return picture
        return F.avg_pool2d(picture, self.full_resolution // self.resolution)

    def synthesize_full(self, w_plus: Tensor, noise: tuple[Tensor, ...] | None = None) -> Tensor:
        """w_plus (B,num_ws,w_dim) -> RGB (B,3,full_resolution,full_resolution)."""
        return self.synthesis(w_plus, noise, self.noise_mode)
