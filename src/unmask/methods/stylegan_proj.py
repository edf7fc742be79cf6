"""Projection of the visible face into W+ of a frozen generator, which then fills in the hidden part.

Abdal et al. 2019 (Image2StyleGAN) introduced W+; Karras et al. 2020 (StyleGAN2, appendix D) the schedule; Marinescu
et al. 2020 (BRGM) the latent prior for pictures with holes. The study's recipes are in configs/experiment/study.
"""

from __future__ import annotations

import logging
from functools import cached_property
from typing import final

import torch
from torch import Tensor

from unmask.compilation import compile_if_possible
from unmask.config import Init, StyleGANProjConfig
from unmask.faces import Faces, Failure, Reconstruction
from unmask.generators.base import Generator
from unmask.methods.base import Method, MethodContext, StepCallback, StepReport
from unmask.networks.vgg import VGG16Features
from unmask.projection import latents, starts
from unmask.projection.objective import Objective, Target, Weights
from unmask.projection.optimise import Optimised, Stage, optimise
from unmask.projection.schedules import Ramp

log = logging.getLogger(__name__)

CANDIDATE_SIZE = 64
"""Thumbnails of the random faces a start is chosen from, in pixels."""


@final
class StyleGANProjection(Method):
    """Optimise w, then w_plus, of every picture against its visible part."""

    def __init__(
        self, config: StyleGANProjConfig, generator: Generator, device: torch.device, seed: int
    ) -> None:
        super().__init__()
        self.config = config
        self.generator = generator
        self.device = device
        self.seed = seed
        self.statistics = latents.measure(generator, device)
        vgg = None
        if config.lambda_perceptual > 0:
            vgg = VGG16Features.pretrained(tuple(config.perceptual_layers)).to(device)
            vgg = vgg.to(memory_format=torch.channels_last)
        self.objective = Objective(
            Weights(config.lambda_pixel, config.lambda_perceptual, config.lambda_prior, config.lambda_spread),
            config.pixel_loss,
            self.statistics,
            vgg,
            perceptual_resolution=config.perceptual_resolution,
            normalise_features=config.normalise_features,
            margin=config.perceptual_margin,
        )
        self._losses = compile_if_possible(self._all_losses) if config.compile else self._all_losses

    @classmethod
    def build(cls, config: StyleGANProjConfig, context: MethodContext) -> StyleGANProjection:
        """See `Method.build`."""
        return cls(config, context.load_generator(), context.device, context.seed)

    def unmask(self, faces: Faces, *, on_step: StepCallback | None = None) -> Reconstruction:
        """See `Method.unmask`."""
        faces = faces.to(self.device)
        visible = faces.visible if self.config.use_occlusion else torch.ones_like(faces.hole)
        w = self._start(faces, visible)
        reporter = _Reporter(self, faces.ids, on_step, self.config.w_steps + self.config.steps)

        in_w = self._stage(
            w[:, None], faces.masked, visible, self.config.w_steps, self.config.w_lr, reporter, 0
        )
        layers = in_w.latents.expand(-1, self.generator.num_active_ws, -1)
        in_w_plus = self._stage(
            layers, faces.masked, visible, self.config.steps, self.config.lr, reporter, self.config.w_steps
        )
        return self._finish(faces.ids, in_w, in_w_plus)

    def _stage(
        self,
        start: Tensor,
        masked: Tensor,
        visible: Tensor,
        steps: int,
        lr: float,
        reporter: _Reporter,
        offset: int,
    ) -> Optimised:
        """Optimise (B,1,D) in W or (B,L,D) in W+."""
        if steps == 0:
            return Optimised(start, (None,) * len(start))
        target = self.objective.target(masked, visible, filler=self.render(start))
        stage = Stage(steps, lr, Ramp(self.config.rampup, self.config.rampdown))
        return optimise(start, lambda w: self._losses(w, target), stage, reporter.hook(offset))

    def _all_losses(self, w_plus: Tensor, target: Target) -> dict[str, Tensor]:
        return self.objective.losses(self._synthesize(w_plus), w_plus, target)

    def _synthesize(self, w_plus: Tensor) -> Tensor:
        """(B,1 or num_active_ws,D) -> pictures with gradients."""
        return self.generator.synthesize(w_plus.expand(-1, self.generator.num_active_ws, -1))

    @torch.no_grad()
    def render(self, w_plus: Tensor) -> Tensor:
        """(B,1 or num_active_ws,D) -> pictures (B,3,H,W), clamped to [-1,1]."""
        return self._synthesize(w_plus).clamp(-1, 1)

    @cached_property
    def candidates(self) -> starts.Candidates:
        """The random faces of init=search and init=regression, rendered at first use."""
        return starts.render_candidates(
            self.generator,
            self.statistics,
            count=self.config.candidates,
            truncation_psi=self.config.candidates_psi,
            size=CANDIDATE_SIZE,
            seed=self.seed,
        )

    def _start(self, faces: Faces, visible: Tensor) -> Tensor:
        """(B,w_dim)"""
        config = self.config
        if config.init is Init.mean:
            return starts.mean_start(self.statistics, faces.ids)
        if config.init is Init.random:
            return starts.random_start(self.generator, self.device, faces.ids, self.seed)
        if config.init is Init.search:
            return starts.search_start(self.candidates, faces.masked, visible, best=config.search_best)
        return starts.regression_start(self.candidates, faces.masked, visible, noise=config.regression_noise)

    def _finish(self, ids: tuple[str, ...], in_w: Optimised, in_w_plus: Optimised) -> Reconstruction:
        """Leave out failed pictures; fill the layers that only act at full resolution with the last active w."""
        failures = []
        for picture_id, w_step, w_plus_step in zip(ids, in_w.failed_at, in_w_plus.failed_at, strict=True):
            if w_step is not None or w_plus_step is not None:
                stage, step = ("W", w_step) if w_step is not None else ("W+", w_plus_step)
                reason = f"The loss was not finite at step {step} in {stage}; try a smaller method.lr or method.w_lr."
                failures.append(Failure(picture_id, reason))
        failed = {failure.id for failure in failures}
        keep = [i for i, picture_id in enumerate(ids) if picture_id not in failed]
        active = in_w_plus.latents[keep]
        tail = active[:, -1:].expand(-1, self.generator.num_ws - active.shape[1], -1)
        return Reconstruction(
            ids=tuple(ids[i] for i in keep),
            raw=self.render(active)
            if keep
            else torch.empty(0, 3, self.generator.resolution, self.generator.resolution),
            w_plus=torch.cat([active, tail], 1),
            failures=tuple(failures),
        )


class _Reporter:
    """Turns the optimiser's hook into the run's `StepCallback`, counting steps over both stages."""

    def __init__(
        self, method: StyleGANProjection, ids: tuple[str, ...], on_step: StepCallback | None, total: int
    ) -> None:
        self.method = method
        self.ids = ids
        self.on_step = on_step
        self.total = total

    def hook(self, offset: int):  # type: ignore[no-untyped-def]
        """The hook of a stage whose first step is number `offset`; None if nobody listens."""
        on_step = self.on_step
        if on_step is None:
            return None

        def report(step: int, losses: dict[str, Tensor], w_plus: Tensor) -> None:
            on_step(
                StepReport(self.ids, offset + step, self.total, losses, lambda: self.method.render(w_plus))
            )

        return report
