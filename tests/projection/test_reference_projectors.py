"""The experiments reference/* against traces of the reference projectors, step by step.

The feature network of the traces is a small random one instead of VGG-16, and what is random in them is given.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hydra import compose, initialize_config_dir
from torch import Tensor, nn

from helpers.golden_arrays import Arrays, assert_close
from unmask.building import typed
from unmask.config import StyleGANProjConfig, register
from unmask.config_dir import config_dir
from unmask.faces import Faces, StepReport
from unmask.generators.stylegan2.architecture import GeneratorArchitecture
from unmask.generators.stylegan2.generator import StyleGAN2
from unmask.methods import stylegan_proj
from unmask.methods.stylegan_proj import StyleGANProjection
from unmask.networks.vgg import VGG16Features
from unmask.projection import frozen
from unmask.projection.exploration import NoiseRamp, explore_with
from unmask.projection.latents import sample_w, statistics_of
from unmask.projection.optimise import Optimised, Stage
from unmask.projection.schedules import Ramp
from unmask.sweep.naming import register_resolvers

SETTINGS = GeneratorArchitecture(64, 64, 64, mapping_layers=2, channel_base=1024, channel_max=64)
STEPS = 40


class TraceFeatures(nn.Module):
    """The traces' feature network; layers are named for VGG's of the same stride."""

    layers = ("relu1_1", "relu2_1")

    def __init__(self, w1: Tensor, w2: Tensor) -> None:
        super().__init__()
        self.w1, self.w2 = w1, w2

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        first = F.relu(F.conv2d(images, self.w1, padding=1))
        return first, F.relu(F.conv2d(F.avg_pool2d(first, 2), self.w2, padding=1))


@pytest.fixture
def generator(golden: Path) -> StyleGAN2:
    state = Arrays(golden, "generator64_map2", "stylegan2_nvlabs").below("G.")
    return StyleGAN2(SETTINGS, state, resolution=64)


def reference_w(generator: StyleGAN2) -> Tensor:
    """The w of the reference projectors' 10,000 random z."""
    z = np.random.RandomState(123).randn(10_000, generator.z_dim)
    return generator.map(torch.from_numpy(z).float())


@dataclass(frozen=True)
class Trace:
    """What one projection did, step by step."""

    losses: dict[str, Tensor]
    latents: Tensor
    noise: tuple[Tensor, ...]


def project(
    experiment: str, generator: StyleGAN2, arrays: Arrays, monkeypatch: pytest.MonkeyPatch
) -> tuple[StyleGANProjConfig, Trace]:
    """Run the experiment on the trace's target, with the trace's random numbers."""
    register()
    register_resolvers()
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        config = typed(compose("run", [f"experiment=reference/{experiment}"])).method
    assert isinstance(config, StyleGANProjConfig)
    used = replace(
        config,
        w_steps=STEPS if config.w_steps else 0,
        steps=STEPS if config.steps else 0,
        lr=0.05,  # of the trace
        normalise_features=False,
        lpips_weights=False,
        compile=False,
    )
    stand_in = TraceFeatures(arrays.tensor("feat.w1"), arrays.tensor("feat.w2"))
    monkeypatch.setattr(VGG16Features, "pretrained", classmethod(lambda cls, layers, dtype=None: stand_in))
    monkeypatch.setattr(frozen, "sample_w", lambda generator, device: reference_w(generator))
    start = arrays.below("in.noise_init.")
    by_size = sorted(start, key=lambda name: (int(name.split(".")[0][1:]), name))
    noise = tuple(start[name][None, None].clone() for name in by_size)
    monkeypatch.setattr(stylegan_proj, "random_noise", lambda maps, ids, seed: noise)
    unit = arrays.tensor("in.w_noise_unit")

    def given_noise(ramp: NoiseRamp, total_std: Tensor, ids: tuple[str, ...], seed: int) -> object:
        return lambda step, total, latents: unit[step][None] * total_std * ramp.factor(step, total)

    monkeypatch.setattr(stylegan_proj, "explore_with", given_noise)
    latents: list[Tensor] = []
    final: list[tuple[Tensor, ...]] = []
    optimise = stylegan_proj.optimise

    def watched(start: Tensor, losses: object, stage: Stage, on_step: Callable | None, **others: object) -> Optimised:
        def note(step: int, values: dict[str, Tensor], now: Tensor, maps: tuple[Tensor, ...]) -> None:
            latents.append(now[0].clone())
            final[:] = [maps]
            assert on_step is not None
            on_step(step, values, now, maps)

        return optimise(start, losses, stage, note, **others)  # type: ignore[arg-type]

    monkeypatch.setattr(stylegan_proj, "optimise", watched)
    picture = arrays.tensor("in.target_uint8").float()[None] / 127.5 - 1
    nowhere = torch.zeros(1, 1, 64, 64)
    curves: list[dict[str, Tensor]] = []

    def on_step(report: StepReport) -> None:
        if report.taken:
            curves.append(report.losses)

    projection = StyleGANProjection(used, generator, torch.device("cpu"), seed=0)
    found = projection.unmask(Faces(("target",), picture, nowhere, nowhere), on_step=on_step)
    assert not found.failures
    losses = {name: torch.cat([curve[name] for curve in curves]) for name in curves[0]}
    return config, Trace(losses, torch.stack(latents), final[0])


@pytest.mark.parametrize(
    ("experiment", "name"), [("nvlabs_projector", "project_w_trace64"), ("pti_w_plus", "project_wplus_trace64")]
)
def test_the_experiment_takes_the_reference_projectors_steps(
    experiment: str, name: str, generator: StyleGAN2, golden: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = Arrays(golden, name, "projector")
    _, trace = project(experiment, generator, arrays, monkeypatch)
    for part, reference, weight in (("total", "loss", 1.0), ("perceptual", "dist", 1.0), ("noise", "reg", 1e5)):
        for first, last, rtol in ((0, 3, 1e-4), (3, 10, 1e-3), (10, STEPS, 1e-2)):
            wanted = arrays.tensor(f"out.{reference}")[first:last] * weight
            assert_close(trace.losses[part][first:last], wanted, rtol=rtol, atol=0, what=f"{part} {first}..{last}")
    steps = arrays.tensor("out.w_steps")
    steps = steps[:, None] if steps.ndim == 2 else steps
    assert trace.latents.shape == steps.shape
    for first, last, tolerance in ((0, 3, 1e-4), (3, 10, 1e-3), (10, STEPS, 1e-2)):
        ours, wanted = trace.latents[first:last], steps[first:last]
        assert_close(ours, wanted, rtol=0, atol=tolerance, what=f"w {first}..{last}")
    final = arrays.below("out.noise_final.")
    by_size = sorted(final, key=lambda key: (int(key.split(".")[0][1:]), key))
    for key, one in zip(by_size, trace.noise, strict=True):
        assert_close(one[0, 0], final[key], rtol=0, atol=1e-2, what=key)


@pytest.mark.slow
def test_the_settings_are_the_reference_programs(
    generator: StyleGAN2, golden: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = Arrays(golden, "project_w_trace64", "projector")
    config, _ = project("nvlabs_projector", generator, w, monkeypatch)
    assert (config.w_steps, config.steps, config.w_lr) == (1000, 0, 0.1)
    w_plus = Arrays(golden, "project_wplus_trace64", "projector")
    config, _ = project("pti_w_plus", generator, w_plus, monkeypatch)
    assert (config.w_steps, config.steps, config.lr) == (0, 2000, 0.01)


def test_schedules(golden: Path) -> None:
    arrays = Arrays(golden, "schedule_and_noise_reg", "projector")
    for total in (1000, 500):
        lr = torch.tensor([0.1 * Ramp(0.05, 0.25).factor(step, total) for step in range(total)], dtype=torch.float64)
        # closed forms in float64
        torch.testing.assert_close(lr, arrays.tensor(f"out.lr_{total}"), rtol=1e-12, atol=1e-15)
    ramp = NoiseRamp(0.05, 0.75)
    noise = torch.tensor([ramp.factor(step, 1000) for step in range(1000)], dtype=torch.float64)
    torch.testing.assert_close(noise, arrays.tensor("out.w_noise_factor_1000"), rtol=1e-12, atol=1e-15)


def test_the_mean_face_and_its_deviation(generator: StyleGAN2, golden: Path) -> None:
    arrays = Arrays(golden, "project_w_trace64", "projector")
    statistics = statistics_of(reference_w(generator))
    # float32: a mean in another order
    assert_close(statistics.mean, arrays.tensor("out.w_avg_10000").flatten(), rtol=1e-5, atol=1e-5, what="mean")
    assert_close(statistics.total_std, arrays.tensor("out.w_std"), rtol=1e-4, atol=0, what="deviation")
    ours = statistics_of(sample_w(generator, torch.device("cpu")))
    assert_close(ours.total_std, arrays.tensor("out.w_std"), rtol=2e-2, atol=0, what="deviation of our own samples")


def test_exploration_is_each_pictures_own_and_ends() -> None:
    ramp, std = NoiseRamp(0.5, 0.75), torch.tensor(2.0)
    latents = torch.zeros(2, 3, 4)
    together = explore_with(ramp, std, ("a", "b"), 0)
    alone = explore_with(ramp, std, ("b",), 0)
    for step in range(3):
        both = together(step, 8, latents)
        assert torch.equal(both[1:], alone(step, 8, latents[1:]))
        assert not torch.equal(both[0], both[1])
    assert not together(7, 8, latents).any()
