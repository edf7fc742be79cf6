"""Projection of the visible face into W+ of a frozen generator, which then fills in the hidden part.

Abdal et al. 2019 (Image2StyleGAN) introduced W+; Karras et al. 2020 (StyleGAN2, appendix D) the schedule; Marinescu
et al. 2020 (BRGM) the latent prior for pictures with holes. The study's recipes are in configs/experiment/study.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
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
from unmask.projection.exploration import NoiseRamp, explore_with
from unmask.projection.latents import sample_w, statistics_of
from unmask.projection.noise import NoiseMaps, random_noise
from unmask.projection.objective import Objective, Target, Weights
from unmask.projection.optimise import Optimised, Stage, StepHook, optimise
from unmask.projection.regression import PictureModel, fit_picture_model
from unmask.projection.sampling import sample_start
from unmask.projection.schedules import Ramp
from unmask.projection.spaces import build_space

log = logging.getLogger(__name__)

CANDIDATE_SIZE = 64
"""Thumbnails of the random faces a start is chosen from, in pixels."""
MODEL_SIZE, MODEL_COMPONENTS = 32, 400
"""Size and components of a picture model fitted to them."""


@final
class StyleGANProjection(Method):
    """Optimise w, then w_plus, of every picture against its visible part."""

    def __init__(self, config: StyleGANProjConfig, generator: Generator, device: torch.device, seed: int) -> None:
        """Raises UnmaskError if the settings leave nothing to minimise or are out of range."""
        super().__init__()
        if config.lambda_pixel <= 0 and config.lambda_perceptual <= 0:
            raise UnmaskError("method.lambda_pixel and method.lambda_perceptual are both 0; set one above it.")
        if not 0 <= config.layer_shrinkage <= 1:
            raise UnmaskError(f"method.layer_shrinkage={config.layer_shrinkage}: choose from 0 to 1.")
        if config.num_samples < 1:
            raise UnmaskError(f"method.num_samples={config.num_samples}: choose 1 or more.")
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
        """See `Method.unmask`. Several answers are found one after the other: a batch of all of them would need as many
        times the memory, and a step compiled for another shape."""
        config = self.config
        faces = faces.to(self.device)
        visible = faces.visible if config.use_occlusion else torch.ones_like(faces.hole)
        start = self.space.from_w(self._start(faces, visible))[:, None]
        steps = config.w_steps + config.steps
        reporter = _Reporter(self.render, faces.ids, on_step, config.num_samples * steps)
        found = []
        for sample in range(config.num_samples):
            moved = sample_start(
                start,
                self.space.statistics,
                faces.ids,
                sample=sample,
                spread=config.sample_spread,
                seed=self.seed,
            )
            found.append(self._project(faces, visible, moved, reporter, first_step=sample * steps))
        return self._finish(faces.ids, found)

    def _project(
        self, faces: Faces, visible: Tensor, start: Tensor, reporter: _Reporter, *, first_step: int
    ) -> _Projected:
        """Both stages, from `start` (B,1,D) in `space`; their steps are reported from number `first_step`."""
        config = self.config
        noise = random_noise(self.generator.noise_maps, faces.ids, self.seed) if config.optimise_noise else ()
        explore = None
        if config.w_noise > 0:
            ramp = NoiseRamp(config.w_noise, config.w_noise_ramp)
            explore = explore_with(ramp, self.space.statistics.total_std, faces.ids, self.seed)

        def stage(latents: Tensor, noise: NoiseMaps, steps: int, lr: float, offset: int) -> Optimised:
            if steps == 0:
                return Optimised(latents, noise, (None,) * len(latents))
            filler = self.render(latents, noise)
            target = self.objective.target(faces.masked, visible, filler=filler, anchor=start)
            settings = Stage(steps, lr, Ramp(config.rampup, config.rampdown))

            def losses(x: Tensor, maps: NoiseMaps) -> dict[str, Tensor]:
                # Both stages call the same shapes, so that the step is compiled once.
                return self._losses(x.expand(-1, self.generator.num_active_ws, -1), maps, target)

            return optimise(latents, losses, settings, reporter.hook(offset), noise=noise, explore=explore)

        in_w = stage(start, noise, config.w_steps, config.w_lr, first_step)
        layers = in_w.latents.expand(-1, self.generator.num_active_ws, -1)
        in_w_plus = stage(layers, in_w.noise, config.steps, config.lr, first_step + config.w_steps)
        return _Projected(in_w, in_w_plus)

    def losses(self, latents: Tensor, noise: NoiseMaps, target: Target) -> dict[str, Tensor]:
        """latents (B,num_active_ws,D) in `space` -> what `Objective.losses` says of their pictures."""
        return self.objective.losses(self.synthesize(latents, noise), latents, noise, target)

    def synthesize(self, latents: Tensor, noise: NoiseMaps) -> Tensor:
        """(B,1 or num_active_ws,D) in `space` -> pictures (B,3,H,W); without `noise` maps the generator's own."""
        w_plus = self.space.to_w(latents).expand(-1, self.generator.num_active_ws, -1)
        return self.generator.synthesize(w_plus, noise or None)

    @torch.no_grad()
    def render(self, latents: Tensor, noise: NoiseMaps) -> Tensor:
        """latents (B,1 or num_active_ws,D) in `space` -> pictures (B,3,H,W), clamped to [-1,1]."""
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

    def _start(self, faces: Faces, visible: Tensor) -> Tensor:
        """(B,w_dim)"""
        config = self.config
        if config.init is Init.mean:
            return starts.mean_start(self.statistics, faces.ids)
        if config.init is Init.random:
            return starts.random_start(self.generator, self.device, faces.ids, self.seed)
        if config.init is Init.search:
            return starts.search_start(self.candidates, faces.masked, visible, best=config.search_best)
        return self.picture_model.expected_w(faces.masked, visible, ridge=config.regression_ridge)

    def _finish(self, ids: tuple[str, ...], found: Sequence[_Projected]) -> Reconstruction:
        """Leave out pictures that failed in any of the answers; the first answer is the result."""
        failures = _failures(ids, found)
        failed = {failure.id for failure in failures}
        keep = [i for i, picture_id in enumerate(ids) if picture_id not in failed]
        first, *others = (
            self._read(ids, keep, one.in_w_plus, full=self.config.render_full and index == 0)
            for index, one in enumerate(found)
        )
        samples = torch.stack([first.raw, *(one.raw for one in others)], 1) if others else None
        return replace(first, samples=samples, failures=failures)

    def _read(self, ids: tuple[str, ...], keep: list[int], found: Optimised, *, full: bool) -> Reconstruction:
        """Pictures number `keep`; the layers that only act at full resolution take the last active w.

        Args:
            full: keep the full-resolution render.
        """
        active = found.latents[keep]
        active = active.lerp(active.mean(1, keepdim=True), self.config.layer_shrinkage)
        tail = active[:, -1:].expand(-1, self.generator.num_ws - active.shape[1], -1)
        w_plus = self.space.to_w(torch.cat([active, tail], 1))
        noise = tuple(one[keep] for one in found.noise)
        shrink = self.config.shrink_full
        rendered = self._render_full(active, w_plus, noise) if full or shrink else None
        return Reconstruction(
            ids=tuple(ids[i] for i in keep),
            raw=self._shrunk(rendered) if rendered is not None and shrink else self.render(active, noise),
            w_plus=w_plus,
            full=rendered if full else None,
        )

    def _shrunk(self, full: Tensor) -> Tensor:
        """(N,3,R,R) -> (N,3,H,W), clamped to [-1,1]."""
        return resize(full, self.generator.resolution).clamp(-1, 1)

    @torch.no_grad()
    def _render_full(self, latents: Tensor, w_plus: Tensor, noise: NoiseMaps) -> Tensor:
        """w_plus (N,num_ws,D) -> (N,3,R,R) in [-1,1] picture by picture, to bound the memory."""
        if self.generator.resolution == self.generator.full_resolution:
            return self.render(latents, noise)
        size = self.generator.full_resolution
        pictures = [
            self.generator.synthesize_full(w_plus[i : i + 1], tuple(one[i : i + 1] for one in noise) or None)
            for i in range(len(w_plus))
        ]
        return torch.cat([torch.empty(0, 3, size, size, device=w_plus.device), *pictures]).clamp(-1, 1)


@dataclass(frozen=True)
class _Projected:
    """One answer to each picture of a batch: what the two stages found."""

    in_w: Optimised
    in_w_plus: Optimised

    def failed_at(self, row: int) -> str | None:
        """Where picture number `row` failed, in words; None where it did not."""
        for stage, found in (("W", self.in_w), ("W+", self.in_w_plus)):
            step = found.failed_at[row]
            if step is not None:
                return f"step {step} in {stage}"
        return None


def _failures(ids: tuple[str, ...], found: Sequence[_Projected]) -> tuple[Failure, ...]:
    """The pictures of which at least one answer failed, with the first one's reason."""
    failures = []
    for row, picture_id in enumerate(ids):
        places = [
            place if sample == 0 else f"{place} of sample {sample}"
            for sample, one in enumerate(found)
            if (place := one.failed_at(row)) is not None
        ]
        if places:
            reason = f"The loss was not finite at {places[0]}; try a smaller method.lr or method.w_lr."
            failures.append(Failure(picture_id, reason))
    return tuple(failures)


class _Reporter:
    """Turns the optimiser's hook into the run's `StepCallback`, counting steps over all stages of all answers."""

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

    def hook(self, offset: int) -> StepHook | None:
        """The hook of a stage whose first step is number `offset`; None if nobody listens."""
        on_step = self.on_step
        if on_step is None:
            return None

        def report(step: int, losses: dict[str, Tensor], latents: Tensor, noise: NoiseMaps) -> None:
            on_step(StepReport(self.ids, offset + step, self.total, losses, lambda: self.render(latents, noise)))

        return report
