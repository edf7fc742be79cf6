"""From `method.init` to the latents a projection starts from."""

from __future__ import annotations

import logging
from functools import cached_property
from pathlib import Path
from typing import final

from torch import Tensor

from unmask.config import Init, StyleGANProjConfig
from unmask.errors import UnmaskError
from unmask.faces import Faces
from unmask.images import resize
from unmask.projection import starts
from unmask.projection.beards import Beards
from unmask.projection.controls import CONTROLS, Controls, unexplained_covariance
from unmask.projection.encoder import LatentEncoder
from unmask.projection.frozen import FrozenNetworks
from unmask.projection.latents import statistics_of
from unmask.projection.references import informed_start
from unmask.projection.regression import PictureModel, fit_picture_model
from unmask.projection.sampling import draw_move
from unmask.projection.traits import Traits, load_traits
from unmask.projection.wishes import Wishes

log = logging.getLogger(__name__)

CANDIDATE_SIZE = 64
"""Thumbnails of the random faces a start is chosen from, in pixels."""
MODEL_SIZE, MODEL_COMPONENTS = 32, 400
"""Size and components of a picture model fitted to them."""


@final
class Initialisation:
    """What the starts of a run share, made at first use."""

    def __init__(
        self,
        config: StyleGANProjConfig,
        networks: FrozenNetworks,
        seed: int,
    ) -> None:
        self.config = config
        self.networks = networks
        self.generator = networks.generator
        self.device = networks.device
        self.statistics = statistics_of(networks.random_w())
        self.seed = seed

    def start(self, faces: Faces, visible: Tensor) -> Tensor:
        """One w for all layers, (B,1,w_dim), or one for each that acts, (B,num_active_ws,w_dim).

        Args:
            visible: (B,1,H,W), 1 where pixels of `faces.masked` may be looked at.
        Raises:
            UnmaskError: see `encoder`.
        """
        config = self.config
        init = config.init
        if init in (Init.auto, Init.regression, Init.encoder):
            told = self._told(faces.masked, visible)
            return informed_start(told, faces.references, visible, self._told)
        if init is Init.mean:
            w = starts.mean_start(self.statistics, faces.ids)
        elif init is Init.random:
            w = starts.random_start(self.generator, self.device, faces.ids, self.seed)
        else:
            w = starts.search_start(self.candidates, faces.masked, visible, best=config.search_best)
        return w[:, None]

    def _told(self, pictures: Tensor, visible: Tensor) -> Tensor:
        """What linear model or encoder tell of the visible part: (B,1,w_dim) or (B,num_active_ws,w_dim)."""
        expected = self.picture_model.expected_w(pictures, visible, ridge=self.config.regression_ridge)
        by_model = self.config.init is Init.regression or (self.config.init is Init.auto and self._encoder_file is None)
        if by_model:
            return expected[:, None]
        return self.encoder.w_plus(pictures, visible, expected)[:, : self.generator.num_active_ws]

    def moved(self, start: Tensor, faces: Faces, visible: Tensor, sample: int) -> Tensor:
        """The start of answer number `sample`; that of number 0 is `start` (B,1 or num_active_ws,w_dim) as it is."""
        if sample == 0:
            return start
        config = self.config
        return start + draw_move(
            self.picture_model,
            visible,
            faces.ids,
            sample=sample,
            spread=config.sample_spread,
            ridge=config.regression_ridge,
            seed=self.seed,
        )

    @cached_property
    def wishes(self) -> Wishes | None:
        """What the user asks for; None where nothing is."""
        config = self.config
        values = (config.mouth_open, config.smile, config.beard, config.age)
        asked = {name: value for name, value in zip(CONTROLS, values, strict=True) if value is not None}
        if not asked:
            return None
        unexplained = unexplained_covariance(self.picture_model, self.networks.random_w())
        return Wishes(asked, self.controls, self.traits, self.picture_model, unexplained, config.regression_ridge)

    @cached_property
    def beards(self) -> Beards:
        """Tells who has lost a beard."""
        return Beards(self.traits)

    @cached_property
    def traits(self) -> Traits:
        """What measures the pictures."""
        return load_traits(lambda: self.networks.face_embedding(None))

    @cached_property
    def controls(self) -> Controls:
        """The file that was named, the generator's own, or fitted to random faces, which costs a minute once a run.

        Raises:
            UnmaskError: a file holds something else, or is of another generator.
        """
        named = self.generator.controls_path if self.config.controls is None else Path(self.config.controls)
        if named is not None:
            return self.networks.controls(named)
        log.info("Measuring %d random faces to find what changes them", self.config.controls_faces)
        return self.networks.fitted_controls(self.traits, self.config.controls_faces, self.seed)

    @cached_property
    def candidates(self) -> starts.Candidates:
        """The random faces of init=search; they cost seconds, once a run."""
        log.info("Rendering %d random faces to start from", self.config.candidates)
        return starts.render_candidates(
            self.generator,
            self.statistics,
            count=self.config.candidates,
            truncation_psi=self.config.candidates_psi,
            size=CANDIDATE_SIZE,
            seed=self.seed,
        )

    @cached_property
    def picture_model(self) -> PictureModel:
        """The model of init=regression and of several answers: the generator's own, or one fitted to the candidates."""
        path = self.generator.picture_model_path
        if path is not None:
            return self.networks.picture_model(path)
        return fit_picture_model(self.candidates.w, resize(self.candidates.thumbnails, MODEL_SIZE), MODEL_COMPONENTS)

    @cached_property
    def encoder(self) -> LatentEncoder:
        """The network of init=encoder.

        Raises:
            UnmaskError: there is none for this generator, or the file holds something else.
        """
        path = self._encoder_file
        if path is None:
            raise UnmaskError(
                "method.init=encoder: no encoder ships for this generator or its checkpoint. Train one with "
                "scripts/train_encoder.py and name it with method.encoder, or choose another method.init."
            )
        return self.networks.encoder(path)

    @property
    def _encoder_file(self) -> Path | None:
        return self.generator.encoder_path if self.config.encoder is None else Path(self.config.encoder)
