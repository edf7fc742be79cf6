"""The frozen networks around a projection, and what is measured once on its generator."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from unmask.config import LatentSpaceName
from unmask.files import stamp
from unmask.generators.base import Generator
from unmask.networks.face_embedding import FaceEmbedding
from unmask.networks.vgg import VGG16Features
from unmask.projection.control_fitting import controls_of, measured_faces
from unmask.projection.controls import Controls
from unmask.projection.encoder import LatentEncoder
from unmask.projection.identity import ExpectedIdentity
from unmask.projection.latents import sample_w
from unmask.projection.regression import PictureModel
from unmask.projection.spaces import LatentSpace, build_space
from unmask.projection.traits import Traits
from unmask.shared import Shared


@dataclass(frozen=True)
class FrozenNetworks:
    """Those of one generator, on one device; each is loaded at first use, and kept in `shared`."""

    generator: Generator
    device: torch.device
    shared: Shared

    def random_w(self) -> Tensor:
        """See `unmask.projection.latents.sample_w`."""
        return self.shared.get("random w", (self.generator,), lambda: sample_w(self.generator, self.device))

    def space(self, name: LatentSpaceName) -> LatentSpace:
        """The coordinates `name`, measured on `random_w`."""
        return self.shared.get("space", (self.generator, name), lambda: build_space(name, self.random_w()))

    def vgg(self, layers: tuple[str, ...], dtype: torch.dtype | None) -> VGG16Features:
        """VGG-16 up to the last of `layers`, computing in `dtype`; see `VGG16Features`."""

        def load() -> VGG16Features:
            return VGG16Features.pretrained(layers, dtype).to(self.device).to(memory_format=torch.channels_last)

        return self.shared.get("vgg", (layers, dtype, self.device), load)

    def face_embedding(self, dtype: torch.dtype | None) -> FaceEmbedding:
        """The embedding of the identity term, computing in `dtype`."""
        return self.shared.get(
            "face embedding", (dtype, self.device), lambda: FaceEmbedding.pretrained(dtype).to(self.device)
        )

    def expected_identity(self) -> ExpectedIdentity:
        """What tells the embedding to expect from the visible part."""
        return self.shared.get("expected identity", (self.device,), lambda: ExpectedIdentity.load().to(self.device))

    def encoder(self, path: Path) -> LatentEncoder:
        """The encoder in the file `path`.

        Raises:
            UnmaskError: it holds something else, or is of another generator.
        """

        def load() -> LatentEncoder:
            return LatentEncoder.load(path, self.generator.num_ws, self.generator.w_dim).to(self.device)

        return self.shared.get("encoder", (stamp(path), self.generator, self.device), load)

    def controls(self, path: Path) -> Controls:
        """The controls in the file `path`.

        Raises:
            UnmaskError: it holds something else, or is of another generator.
        """

        def load() -> Controls:
            return Controls.load(path, self.generator.w_dim).to(self.device)

        return self.shared.get("controls", (stamp(path), self.generator, self.device), load)

    def fitted_controls(self, traits: Traits, count: int, seed: int) -> Controls:
        """Controls fitted to `count` of the generator's own faces."""

        def fit() -> Controls:
            mean = self.random_w().mean(0)
            faces = measured_faces(self.generator, mean, traits, count=count, seed=seed)
            return controls_of(faces).to(self.device)

        return self.shared.get("fitted controls", (self.generator, count, seed), fit)

    def picture_model(self, path: Path) -> PictureModel:
        """The linear model of the generator's pictures in the file `path`.

        Raises:
            UnmaskError: it holds something else.
        """
        return self.shared.get(
            "picture model", (stamp(path), self.device), lambda: PictureModel.load(path).to(self.device)
        )
