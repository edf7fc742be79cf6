"""Projection of the visible face into W+ of a frozen generator, which then fills in the hidden part.

Abdal et al. 2019 (Image2StyleGAN) introduced W+; Karras et al. 2020 (StyleGAN2, appendix D) the schedule; Marinescu
et al. 2020 (BRGM) the latent prior for pictures with holes. The study's recipes are in configs/experiment/study.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor

from unmask.compilation import compile_if_possible, worth_compiling
from unmask.config import StyleGANProjConfig
from unmask.errors import UnmaskError
from unmask.faces import Doubt, Faces, Failure, Reconstruction, StepCallback
from unmask.generators.base import Generator
from unmask.images import blur, resize
from unmask.methods.base import Method, MethodContext
from unmask.methods.step_reporter import StepReporter
from unmask.networks.lpips_weights import lpips_channel_weights
from unmask.precision import resolve_precision
from unmask.projection.exploration import NoiseRamp, explore_with
from unmask.projection.frozen import FrozenNetworks
from unmask.projection.initialisation import Initialisation
from unmask.projection.noise import NoiseMaps, random_noise
from unmask.projection.objective import Objective, Target, Weights
from unmask.projection.optimise import Optimised, Stage, optimise
from unmask.projection.perceptual import PerceptualDistance
from unmask.projection.references import WantedIdentity, wanted_identity
from unmask.projection.schedules import Ramp
from unmask.projection.starts import random_start
from unmask.projection.tuning import Loss, TuningSettings, neighbours, tune
from unmask.shared import Shared

log = logging.getLogger(__name__)

DETAIL = 1.0
"""What is finer than this comes from the full-resolution render, what is coarser from the head that was fitted: σ of a
Gaussian, in pixels at 256."""
NEIGHBOURS = 4
"""Faces near by that a tuning leaves as they were."""


@final
class StyleGANProjection(Method):
    """Optimise w, then w_plus, of every picture against its visible part."""

    def __init__(
        self,
        config: StyleGANProjConfig,
        generator: Generator,
        device: torch.device,
        seed: int,
        batches: int | None = None,
        shared: Shared | None = None,
    ) -> None:
        """
        Args:
            generator: its precision is set here, and nothing else.
            batches: to come, if known; they decide whether compiling pays.
            shared: where networks come from and are kept; None: they are loaded for this object alone.
        Raises:
            UnmaskError: the settings leave nothing to minimise.
        """
        super().__init__()
        if config.lambda_pixel <= 0 and config.lambda_perceptual <= 0:
            raise UnmaskError("method.lambda_pixel and method.lambda_perceptual are both 0; set one of them above 0.")
        if config.lambda_identity > 0 and not config.use_occlusion:
            raise UnmaskError(
                "method.lambda_identity needs to know what is hidden: set method.lambda_identity=0 or "
                "method.use_occlusion=true."
            )
        self.config = config
        self.generator = generator
        self.device = device
        self.seed = seed
        networks = FrozenNetworks(generator, device, Shared() if shared is None else shared)
        self.initialisation = Initialisation(config, networks, seed)
        self.space = networks.space(config.latent_space)
        precision = resolve_precision(config.precision, device, "method.precision", ("32-true", "bf16-mixed"))
        dtype = torch.bfloat16 if precision == "bf16-mixed" else None
        generator.compute_in(dtype)
        self.expected_identity, embedding = None, None
        if config.lambda_identity > 0:
            embedding, self.expected_identity = networks.face_embedding(dtype), networks.expected_identity()
        self.objective = Objective(
            weights_of(config),
            self.space.statistics,
            pixel=config.pixel_loss,
            focus=config.focus,
            perceptual=perceptual_distance(config, networks, dtype) if config.lambda_perceptual > 0 else None,
            embedding=embedding,
        )
        steps = config.num_samples * (config.w_steps + config.steps + config.tune_steps * (1 + NEIGHBOURS))
        compiled = worth_compiling(config.compile, None if batches is None else batches * steps, device)
        self._losses = compile_if_possible(self.losses) if compiled else self.losses

    @classmethod
    def build(cls, config: StyleGANProjConfig, context: MethodContext) -> StyleGANProjection:
        """See `Method.build`."""
        return cls(config, context.load_generator(), context.device, context.seed, context.batches, context.shared)

    def unmask(self, faces: Faces, *, on_step: StepCallback | None = None) -> Reconstruction:
        """See `Method.unmask`. Several answers are found one after the other: a batch of all of them would need as many
        times the memory, and a step compiled for another shape."""
        config = self.config
        faces = faces.to(self.device)
        visible = faces.visible if config.use_occlusion else torch.ones_like(faces.hole)
        start = self._wished(self.initialisation.start(faces, visible), faces, visible, ()).w
        expected = None if self.expected_identity is None else self.expected_identity.of(faces.masked, visible)
        identity = None if expected is None else self._wanted_identity(faces, expected)
        reporter = StepReporter(on_step, config.w_steps + config.steps + config.tune_steps)
        projected = []
        for sample in range(config.num_samples):
            moved = self.space.from_w(self.initialisation.moved(start, faces, visible, sample))
            projected.append(self._project(faces, visible, moved, identity, reporter, sample=sample))
        failures = _failures(faces.ids, projected)
        failed = {failure.id for failure in failures}
        keep = [i for i, picture_id in enumerate(faces.ids) if picture_id not in failed]
        first, *others = (
            self._read(faces, visible, keep, one, reporter, sample=sample) for sample, one in enumerate(projected)
        )
        samples = torch.stack([first.raw, *(one.raw for one in others)], 1) if others else None
        fulls = [one.full for one in (first, *others) if one.full is not None]
        full_samples = torch.stack(fulls, 1) if others and fulls else None
        shaven = () if expected is None else self._shaven(faces, visible, expected, first)
        remarks = (*first.remarks, *shaven)
        return replace(first, samples=samples, full_samples=full_samples, failures=failures, remarks=remarks)

    def _shaven(self, faces: Faces, visible: Tensor, expected: Tensor, made: Reconstruction) -> tuple[Doubt, ...]:
        """Who looks shaven in the result although the visible part speaks for a beard, and nothing was asked for.

        `expected`: (B,128) embeddings of the whole faces.
        """
        if self.config.beard is not None:
            return ()
        rows = [faces.ids.index(id) for id in made.ids]
        pasted = torch.where(visible[rows] > 0, faces.masked[rows], made.raw)
        return self.initialisation.beards.doubts(made.ids, expected[rows], pasted)

    def _wanted_identity(self, faces: Faces, expected: Tensor) -> WantedIdentity:
        """Whom the hidden parts should belong to; `expected`: (B,128) embeddings of the whole faces."""
        embedding = self.objective.embedding
        assert embedding is not None
        weight = self.config.lambda_identity_references
        share = 1.0 if weight is None else weight / self.config.lambda_identity
        return wanted_identity(expected, faces.references, embedding, prior=self.config.references_prior, share=share)

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

    def _project(
        self,
        faces: Faces,
        visible: Tensor,
        start: Tensor,
        identity: WantedIdentity | None,
        reporter: StepReporter,
        *,
        sample: int,
    ) -> _Projected:
        """Both stages of answer number `sample`, from `start` (B,1 or num_active_ws,D) in `space`.

        `identity`: what face embeddings to aim at, or None.
        """
        config = self.config
        together, apart = start.mean(1, keepdim=True), start - start.mean(1, keepdim=True)
        noise = random_noise(self.generator.noise_maps, faces.ids, self.seed) if config.optimise_noise else ()
        explore = None
        if config.w_noise > 0:
            ramp = NoiseRamp(config.w_noise, config.w_noise_ramp)
            explore = explore_with(ramp, self.space.statistics.total_std, faces.ids, self.seed)

        def layers_of(x: Tensor) -> Tensor:
            # In W the layers move as one, as far apart as they start. Both stages call the same shapes, so that the
            # step is compiled once.
            return (x + apart).expand(-1, self.generator.num_active_ws, -1) if x.shape[1] == 1 else x

        def stage(latents: Tensor, noise: NoiseMaps, steps: int, lr: float, offset: int) -> Optimised:
            if steps == 0:
                return Optimised(latents, noise, (None,) * len(latents))
            filler = self.render(layers_of(latents), noise)
            target = self.objective.target(faces.masked, visible, filler, start)
            if identity is not None:
                target = replace(target, identity=identity.embeddings, identity_share=identity.shares)
            hook = reporter.hook(faces.ids, sample, offset, lambda x, maps: self.render(layers_of(x), maps))
            return optimise(
                latents,
                lambda x, maps: self._losses(layers_of(x), maps, target),
                Stage(steps, lr, Ramp(config.rampup, config.rampdown)),
                hook,
                noise=noise,
                explore=explore,
            )

        reporter.begin(faces.ids, sample, lambda: self.render(layers_of(together), noise))
        in_w = stage(together, noise, config.w_steps, config.w_lr, 0)
        in_w_plus = stage(layers_of(in_w.latents), in_w.noise, config.steps, config.lr, config.w_steps)
        return _Projected(in_w, in_w_plus, apart)

    def _read(
        self,
        faces: Faces,
        visible: Tensor,
        keep: list[int],
        found: _Projected,
        reporter: StepReporter,
        *,
        sample: int,
    ) -> Reconstruction:
        """Pictures number `keep`, tuned if wanted; the layers that only act at full resolution take the last active w.

        Tuning comes after the projection of all answers. The steps may have gone back on what was wished, so it is
        granted once more before.
        """
        config = self.config
        latents = found.in_w_plus.latents[keep]
        apart = found.apart[keep]
        latents = latents.lerp(latents.mean(1, keepdim=True) + apart, config.layer_shrinkage)
        noise = tuple(one[keep] for one in found.in_w_plus.noise)
        remarks: tuple[Doubt, ...] = ()
        if self.initialisation.wishes is not None and keep:
            kept = replace(faces, ids=tuple(faces.ids[i] for i in keep), masked=faces.masked[keep])
            wished = self._wished(self.space.to_w(latents), kept, visible[keep], noise)
            latents, remarks = self.space.from_w(wished.w), wished.remarks
        tail = latents[:, -1:].expand(-1, self.generator.num_ws - latents.shape[1], -1)
        w_plus = self.space.to_w(torch.cat([latents, tail], 1))
        wanted = config.render_full
        if config.tune_steps == 0 or not keep:
            pictures = self._pictures(latents, w_plus, noise, full=wanted)
        else:
            pictures = _together(
                [
                    self._tuned(
                        faces[i],
                        visible[i : i + 1],
                        latents[row : row + 1],
                        w_plus[row : row + 1],
                        tuple(one[row : row + 1] for one in noise),
                        reporter,
                        sample=sample,
                        full=wanted,
                    )
                    for row, i in enumerate(keep)
                ]
            )
        return Reconstruction(tuple(faces.ids[i] for i in keep), pictures.raw, w_plus, pictures.full, remarks=remarks)

    def _wished(self, w: Tensor, faces: Faces, visible: Tensor, noise: NoiseMaps) -> _Wished:
        """w (B,1 or num_active_ws,D) of these pictures, moved to what the user asks for; as they are where nothing is
        asked.

        Raises:
            UnmaskError: see `Initialisation.controls`.
        """
        wishes = self.initialisation.wishes
        if wishes is None:
            return _Wished(w, ())
        moved, remarks = [], []
        for row, id in enumerate(faces.ids):
            maps = tuple(one[row : row + 1] for one in noise) or None

            def render(w: Tensor, maps: NoiseMaps | None = maps) -> Tensor:
                active = w.expand(-1, self.generator.num_active_ws, -1)
                return self.generator.synthesize(active, maps).clamp(-1, 1)

            one = slice(row, row + 1)
            granted = wishes.grant(w[one], render, faces.masked[one], visible[one])
            moved.append(granted.w)
            remark = wishes.shortfall(granted.reached)
            if remark is not None:
                remarks.append(Doubt(id, remark))
        return _Wished(torch.cat(moved), tuple(remarks))

    def _tuned(
        self,
        one: Faces,
        visible: Tensor,
        latents: Tensor,
        w_plus: Tensor,
        noise: NoiseMaps,
        reporter: StepReporter,
        *,
        sample: int,
        full: bool,
    ) -> _Pictures:
        """The pictures of one face after pivotal tuning, which leaves no trace in the generator."""
        config = self.config

        def loss_of(target: Target, at: Tensor) -> Loss:
            return lambda: self._losses(at, noise, target)

        names = tuple(f"tune/{k}/{one.ids[0]}" for k in range(NEIGHBOURS))
        strangers = self.space.from_w(random_start(self.generator, self.device, names, self.seed))[:, None]
        near = []
        for face in neighbours(latents, strangers, config.tune_reach).split(1):
            before = self.render(face, noise)
            near.append(loss_of(self.objective.target(before, torch.ones_like(visible), before, anchor=face), face))
        target = self.objective.target(one.masked, visible, filler=self.render(latents, noise), anchor=latents)
        with self.generator.tunable() as parameters:
            projected = config.w_steps + config.steps
            hook = reporter.tuning_hook(one.ids, sample, projected, lambda: self.render(latents, noise))
            settings = TuningSettings(config.tune_steps, config.tune_lr, config.tune_locality)
            stopped = tune(parameters, loss_of(target, latents), near, settings, hook)
            if stopped is not None:
                log.warning("%s: tuning stopped at step %d, where the loss was not finite.", one.ids[0], stopped)
            return self._pictures(latents, w_plus, noise, full=full)

    def _pictures(self, latents: Tensor, w_plus: Tensor, noise: NoiseMaps, *, full: bool) -> _Pictures:
        """latents (N,num_active_ws,D) in `space`, w_plus (N,num_ws,D); `full`: keep the full-resolution render."""
        fitted = self.render(latents, noise)
        if self.generator.resolution == self.generator.full_resolution:
            return _Pictures(fitted, fitted if full else None)
        if not (full or self.config.shrink_full):
            return _Pictures(fitted, None)
        rendered = self._render_full(w_plus, noise)
        if self.config.shrink_full:
            detailed = resize(rendered, self.generator.resolution).clamp(-1, 1)
            fitted = (detailed + blur(fitted - detailed, DETAIL)).clamp(-1, 1)
        return _Pictures(fitted, rendered if full else None)

    @torch.no_grad()
    def _render_full(self, w_plus: Tensor, noise: NoiseMaps) -> Tensor:
        """w_plus (N,num_ws,D) -> (N,3,R,R) in [-1,1] picture by picture, to bound the memory."""
        size = self.generator.full_resolution
        pictures = [
            self.generator.synthesize_full(w_plus[i : i + 1], tuple(one[i : i + 1] for one in noise) or None)
            for i in range(len(w_plus))
        ]
        return torch.cat([torch.empty(0, 3, size, size, device=w_plus.device), *pictures]).clamp(-1, 1)


def weights_of(config: StyleGANProjConfig) -> Weights:
    """The weights of the objective's terms that the settings ask for."""
    return Weights(
        pixel=config.lambda_pixel,
        perceptual=config.lambda_perceptual,
        prior=config.lambda_prior,
        spread=config.lambda_spread,
        anchor=config.lambda_anchor,
        noise=config.lambda_noise,
        identity=config.lambda_identity,
    )


def perceptual_distance(
    config: StyleGANProjConfig, networks: FrozenNetworks, dtype: torch.dtype | None
) -> PerceptualDistance:
    """The perceptual distance that the settings ask for; `dtype`: what VGG-16 computes in, None: float32."""
    layers = tuple(config.perceptual_layers)
    vgg = networks.vgg(layers, dtype)
    scales = None
    if config.lpips_weights:
        scales = tuple(one.to(networks.device).sqrt()[:, None, None] for one in lpips_channel_weights(layers))
    return PerceptualDistance(
        vgg,
        config.perceptual_resolution,
        normalise=config.normalise_features,
        margin=config.perceptual_margin,
        shrink=config.perceptual_shrink,
        channel_scales=scales,
        window=config.perceptual_window,
    )


@dataclass(frozen=True)
class _Wished:
    """w (B,1 or num_active_ws,D), and what is to be said of pictures that are not as they were asked for."""

    w: Tensor
    remarks: tuple[Doubt, ...]


@dataclass(frozen=True)
class _Projected:
    """One answer to each picture of a batch: what the two stages found.

    Attributes:
        apart: (B,1 or num_active_ws,D) how far apart the layers started, which shrinking them leaves.
    """

    in_w: Optimised
    in_w_plus: Optimised
    apart: Tensor

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


@dataclass(frozen=True)
class _Pictures:
    """raw (N,3,H,W) and, where wanted, full (N,3,R,R), both in [-1,1]."""

    raw: Tensor
    full: Tensor | None


def _together(parts: Sequence[_Pictures]) -> _Pictures:
    """Those of several pictures as one; all have `full` or none has."""
    fulls = [one.full for one in parts if one.full is not None]
    return _Pictures(torch.cat([one.raw for one in parts]), torch.cat(fulls) if fulls else None)
