"""Projection of the visible face into W+ of a frozen generator, which then fills in the hidden part.

Abdal et al. 2019 (Image2StyleGAN) introduced W+; Karras et al. 2020 (StyleGAN2, appendix D) the schedule; Marinescu
et al. 2020 (BRGM) the latent prior for pictures with holes. The study's recipes are in configs/experiment/study.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from unmask.compilation import compile_if_possible
from unmask.config import Init, StyleGANProjConfig
from unmask.errors import UnmaskError
from unmask.faces import Faces, Failure, Reconstruction
from unmask.generators.base import Generator
from unmask.images import resize
from unmask.methods.base import Method, MethodContext, StepCallback, StepReport
from unmask.networks.lpips_weights import lpips_channel_weights
from unmask.networks.vgg import VGG16Features
from unmask.precision import resolve_precision
from unmask.projection import starts
from unmask.projection.encoder import LatentEncoder
from unmask.projection.exploration import NoiseRamp, explore_with
from unmask.projection.latents import sample_w, statistics_of
from unmask.projection.noise import NoiseMaps, random_noise
from unmask.projection.objective import Objective, Target, Weights
from unmask.projection.optimise import Optimised, Stage, StepHook, optimise
from unmask.projection.regression import PictureModel, fit_picture_model
from unmask.projection.schedules import Ramp
from unmask.projection.spaces import build_space
from unmask.projection.tuning import Loss, TuningSettings, neighbours, tune

log = logging.getLogger(__name__)

CANDIDATE_SIZE = 64
"""Thumbnails of the random faces a start is chosen from, in pixels."""
NEIGHBOURS = 4
"""Faces near by that a tuning leaves as they were."""
MODEL_SIZE, MODEL_COMPONENTS = 32, 400
"""Size and components of a picture model fitted to them."""


@final
class StyleGANProjection(Method):
    """Optimise w, then w_plus, of every picture against its visible part."""

    def __init__(self, config: StyleGANProjConfig, generator: Generator, device: torch.device, seed: int) -> None:
        """Raises UnmaskError if the settings leave nothing to minimise."""
        super().__init__()
        if config.lambda_pixel <= 0 and config.lambda_perceptual <= 0:
            raise UnmaskError("method.lambda_pixel and method.lambda_perceptual are both 0; set one above it.")
        if not 0 <= config.layer_shrinkage <= 1:
            raise UnmaskError(f"method.layer_shrinkage={config.layer_shrinkage}: choose from 0 to 1.")
        self.config = config
        self.generator = generator
        self.device = device
        self.seed = seed
        w = sample_w(generator, device)
        self.statistics = statistics_of(w)
        self.space = build_space(config.latent_space, w)
        precision = resolve_precision(config.precision, device, "method.precision", ("32-true", "bf16-mixed"))
        dtype = torch.bfloat16 if precision == "bf16-mixed" else None
        if dtype is not None:
            generator.compute_in(dtype)
        vgg = None
        if config.lambda_perceptual > 0:
            vgg = VGG16Features.pretrained(tuple(config.perceptual_layers), dtype).to(device)
            vgg = vgg.to(memory_format=torch.channels_last)
        channel_weights = None
        if config.lpips_weights:
            found = lpips_channel_weights(tuple(config.perceptual_layers))
            channel_weights = tuple(one.to(device) for one in found)
        self.objective = Objective(
            Weights(
                config.lambda_pixel,
                config.lambda_perceptual,
                config.lambda_prior,
                config.lambda_spread,
                config.lambda_anchor,
                config.lambda_noise,
            ),
            config.pixel_loss,
            self.space.statistics,
            vgg,
            perceptual_resolution=config.perceptual_resolution,
            normalise_features=config.normalise_features,
            margin=config.perceptual_margin,
            focus=config.focus,
            shrink=config.perceptual_shrink,
            channel_weights=channel_weights,
        )
        self._losses = compile_if_possible(self.losses) if config.compile else self.losses

    @classmethod
    def build(cls, config: StyleGANProjConfig, context: MethodContext) -> StyleGANProjection:
        """See `Method.build`."""
        return cls(config, context.load_generator(), context.device, context.seed)

    def unmask(self, faces: Faces, *, on_step: StepCallback | None = None) -> Reconstruction:
        """See `Method.unmask`."""
        config = self.config
        faces = faces.to(self.device)
        visible = faces.visible if config.use_occlusion else torch.ones_like(faces.hole)
        start = self.space.from_w(self._start(faces, visible))
        together, apart = start.mean(1, keepdim=True), start - start.mean(1, keepdim=True)
        noise = random_noise(self.generator.noise_maps, faces.ids, self.seed) if config.optimise_noise else ()
        explore = None
        if config.w_noise > 0:
            ramp = NoiseRamp(config.w_noise, config.w_noise_ramp)
            explore = explore_with(ramp, self.space.statistics.total_std, faces.ids, self.seed)
        reporter = _Reporter(self.render, faces.ids, on_step, config.w_steps + config.steps + config.tune_steps)

        def layers_of(x: Tensor) -> Tensor:
            # In W the layers move as one, as far apart as they start. Both stages call the same shapes, so that the
            # step is compiled once.
            return (x + apart).expand(-1, self.generator.num_active_ws, -1) if x.shape[1] == 1 else x

        def stage(latents: Tensor, noise: NoiseMaps, steps: int, lr: float, offset: int) -> Optimised:
            if steps == 0:
                return Optimised(latents, noise, (None,) * len(latents))
            filler = self.render(layers_of(latents), noise)
            target = self.objective.target(faces.masked, visible, filler=filler, anchor=start)
            settings = Stage(steps, lr, Ramp(config.rampup, config.rampdown))

            def losses(x: Tensor, maps: NoiseMaps) -> dict[str, Tensor]:
                return self._losses(layers_of(x), maps, target)

            hook = reporter.hook(offset, layers_of)
            return optimise(latents, losses, settings, hook, noise=noise, explore=explore)

        in_w = stage(together, noise, config.w_steps, config.w_lr, 0)
        in_w_plus = stage(layers_of(in_w.latents), in_w.noise, config.steps, config.lr, config.w_steps)
        return self._finish(faces, visible, in_w, in_w_plus, apart, reporter)

    def losses(self, latents: Tensor, noise: NoiseMaps, target: Target) -> dict[str, Tensor]:
        """latents (B,num_active_ws,D) in `space` -> what `Objective.losses` says of their pictures."""
        return self.objective.losses(self.synthesize(latents, noise), latents, noise, target)

    def synthesize(self, latents: Tensor, noise: NoiseMaps) -> Tensor:
        """(B,num_active_ws,D) in `space` -> pictures (B,3,H,W); without `noise` maps the generator's own."""
        return self.generator.synthesize(self.space.to_w(latents), noise or None)

    @torch.no_grad()
    def render(self, latents: Tensor, noise: NoiseMaps) -> Tensor:
        """latents (B,num_active_ws,D) in `space` -> pictures (B,3,H,W), clamped to [-1,1]."""
        return self.synthesize(latents, noise).clamp(-1, 1)

    @cached_property
    def candidates(self) -> starts.Candidates:
        """The random faces of init=search, rendered at first use; they cost seconds, once a run."""
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
        """The model of init=regression: the one that ships with the generator, or one fitted to the candidates."""
        path = self.generator.picture_model_path
        if path is not None:
            return PictureModel.load(path).to(self.device)
        return fit_picture_model(self.candidates.w, resize(self.candidates.thumbnails, MODEL_SIZE), MODEL_COMPONENTS)

    @cached_property
    def encoder(self) -> LatentEncoder:
        """The network of init=encoder.

        Raises:
            UnmaskError: there is none for this generator, or the file holds something else.
        """
        path = self.generator.encoder_path if self.config.encoder is None else Path(self.config.encoder)
        if path is None:
            raise UnmaskError(
                "method.init=encoder: no encoder ships for this generator or its checkpoint. Name one with "
                "method.encoder, or choose another method.init."
            )
        return LatentEncoder.load(path, self.generator.num_ws, self.generator.w_dim).to(self.device)

    def _start(self, faces: Faces, visible: Tensor) -> Tensor:
        """One w for all layers, (B,1,w_dim), or one for each, (B,num_active_ws,w_dim)."""
        config = self.config
        if config.init is Init.mean:
            return starts.mean_start(self.statistics, faces.ids)[:, None]
        if config.init is Init.random:
            return starts.random_start(self.generator, self.device, faces.ids, self.seed)[:, None]
        if config.init is Init.search:
            return starts.search_start(self.candidates, faces.masked, visible, best=config.search_best)[:, None]
        if config.init is Init.encoder:
            return self.encoder.w_plus(faces.masked, visible)[:, : self.generator.num_active_ws]
        return self.picture_model.expected_w(faces.masked, visible, ridge=config.regression_ridge)[:, None]

    def _finish(
        self,
        faces: Faces,
        visible: Tensor,
        in_w: Optimised,
        in_w_plus: Optimised,
        apart: Tensor,
        reporter: _Reporter,
    ) -> Reconstruction:
        """Leave out failed pictures; fill the layers that only act at full resolution with the last active w; tune.

        apart (B,1 or num_active_ws,D): how far apart the layers started, which `layer_shrinkage` leaves.
        """
        failures = []
        for picture_id, w_step, w_plus_step in zip(faces.ids, in_w.failed_at, in_w_plus.failed_at, strict=True):
            if w_step is not None or w_plus_step is not None:
                stage, step = ("W", w_step) if w_step is not None else ("W+", w_plus_step)
                reason = f"The loss was not finite at step {step} in {stage}; try a smaller method.lr or method.w_lr."
                failures.append(Failure(picture_id, reason))
        failed = {failure.id for failure in failures}
        keep = [i for i, picture_id in enumerate(faces.ids) if picture_id not in failed]
        active = in_w_plus.latents[keep]
        active = active.lerp(active.mean(1, keepdim=True) + apart[keep], self.config.layer_shrinkage)
        tail = active[:, -1:].expand(-1, self.generator.num_ws - active.shape[1], -1)
        w_plus = self.space.to_w(torch.cat([active, tail], 1))
        noise = tuple(one[keep] for one in in_w_plus.noise)
        if self.config.tune_steps > 0 and keep:
            tuned = [
                self._tuned(
                    faces[i],
                    visible[i : i + 1],
                    active[row : row + 1],
                    w_plus[row : row + 1],
                    tuple(one[row : row + 1] for one in noise),
                    reporter,
                )
                for row, i in enumerate(keep)
            ]
            raw = torch.cat([one.raw for one in tuned])
            fulls = [one.full for one in tuned if one.full is not None]
            full = torch.cat(fulls) if fulls else None
        else:
            pictures = self._pictures(active, w_plus, noise)
            raw, full = pictures.raw, pictures.full
        return Reconstruction(
            ids=tuple(faces.ids[i] for i in keep),
            raw=raw,
            w_plus=w_plus,
            full=full if self.config.render_full else None,
            failures=tuple(failures),
        )

    def _tuned(
        self, one: Faces, visible: Tensor, latents: Tensor, w_plus: Tensor, noise: NoiseMaps, reporter: _Reporter
    ) -> _Pictures:
        """The pictures of one face after pivotal tuning, which leaves no trace in the generator."""
        config = self.config

        def loss_of(target: Target, at: Tensor) -> Loss:
            return lambda: self._losses(at, noise, target)

        strangers = starts.random_start(
            self.generator, self.device, tuple(f"tune/{k}/{one.ids[0]}" for k in range(NEIGHBOURS)), self.seed
        )
        near = []
        for face in neighbours(latents, self.space.from_w(strangers)[:, None], config.tune_reach).split(1):
            before = self.render(face, noise)
            target = self.objective.target(before, torch.ones_like(visible), filler=before, anchor=face)
            near.append(loss_of(target, face))
        target = self.objective.target(one.masked, visible, filler=self.render(latents, noise), anchor=latents)
        settings = TuningSettings(config.tune_steps, config.tune_lr, config.tune_locality)
        with self.generator.tunable() as parameters:
            hook = reporter.tuning_hook(one.ids, config.w_steps + config.steps, latents, noise)
            stopped = tune(parameters, loss_of(target, latents), near, settings, hook)
            if stopped is not None:
                log.warning("%s: tuning stopped at step %d, where the loss was not finite.", one.ids[0], stopped)
            return self._pictures(latents, w_plus, noise)

    def _pictures(self, latents: Tensor, w_plus: Tensor, noise: NoiseMaps) -> _Pictures:
        """latents (N,num_active_ws,D) in `space`, w_plus (N,num_ws,D)"""
        full = self._render_full(latents, w_plus, noise)
        return _Pictures(
            self._shrunk(full) if full is not None and self.config.shrink_full else self.render(latents, noise), full
        )

    def _shrunk(self, full: Tensor) -> Tensor:
        """(N,3,R,R) -> (N,3,H,W), clamped to [-1,1]."""
        return resize(full, self.generator.resolution).clamp(-1, 1)

    @torch.no_grad()
    def _render_full(self, latents: Tensor, w_plus: Tensor, noise: NoiseMaps) -> Tensor | None:
        """w_plus (N,num_ws,D) -> (N,3,R,R) in [-1,1] picture by picture, to bound the memory; None if not needed."""
        if not (self.config.render_full or self.config.shrink_full):
            return None
        if self.generator.resolution == self.generator.full_resolution:
            return self.render(latents, noise)
        size = self.generator.full_resolution
        pictures = [
            self.generator.synthesize_full(w_plus[i : i + 1], tuple(one[i : i + 1] for one in noise) or None)
            for i in range(len(w_plus))
        ]
        return torch.cat([torch.empty(0, 3, size, size, device=w_plus.device), *pictures]).clamp(-1, 1)


@dataclass(frozen=True)
class _Pictures:
    """raw (N,3,H,W) and, where wanted, full (N,3,R,R), both in [-1,1]."""

    raw: Tensor
    full: Tensor | None


class _Reporter:
    """Turns the optimiser's hook into the run's `StepCallback`, counting steps over both stages."""

    def __init__(
        self,
        render: Callable[[Tensor, NoiseMaps], Tensor],
        ids: tuple[str, ...],
        on_step: StepCallback | None,
        total: int,
    ) -> None:
        self.render = render
        self.ids = ids
        self.on_step = on_step
        self.total = total

    def hook(self, offset: int, layers_of: Callable[[Tensor], Tensor]) -> StepHook | None:
        """The hook of a stage whose first step is number `offset`, and whose latents `layers_of` turns into those of
        every layer; None if nobody listens."""
        on_step = self.on_step
        if on_step is None:
            return None

        def report(step: int, losses: dict[str, Tensor], latents: Tensor, noise: NoiseMaps) -> None:
            def picture() -> Tensor:
                return self.render(layers_of(latents), noise)

            on_step(StepReport(self.ids, offset + step, self.total, losses, picture))

        return report

    def tuning_hook(
        self, ids: tuple[str, ...], offset: int, latents: Tensor, noise: NoiseMaps
    ) -> Callable[[int, dict[str, Tensor]], None] | None:
        """The hook of the tuning of one picture, `ids`; None if nobody listens."""
        on_step = self.on_step
        if on_step is None:
            return None

        def report(step: int, losses: dict[str, Tensor]) -> None:
            on_step(StepReport(ids, offset + step, self.total, losses, lambda: self.render(latents, noise)))

        return report
