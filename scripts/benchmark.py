"""Time the projection of `StyleGANProjConfig`'s defaults on the CPU, and hold it against its convolutions alone.

    python scripts/benchmark.py                                          # 128 and 256 pixels, batches of 1 and 4
    python scripts/benchmark.py --resolutions 256 --batches 1 --threads 2 --out outputs/benchmark.json

Prints one JSON object to stdout; progress goes to stderr. What is compared is measured in turns in one process, so that
a machine that gets slower meanwhile slows all of it; the numbers are medians over the rounds, in seconds.

    step                         forward, backward and Adam of one batch, through the loop a projection runs
    generator                    forward and backward of the generator alone
    vgg                          forward and backward of the objective alone, nearly all of it VGG-16 and the face
                                 embedding
    rest                         step - generator - vgg; compiled, it can be below zero, where fusion crosses the parts
    bare_convolutions            the step's convolutions, forward and backward to their inputs only: same shapes, groups
                                 and frozen weights, channels_last, nothing in between
    ratio_to_bare_convolutions   step / bare_convolutions
    picture.measured             `StyleGANProjection.unmask` on pictures of data/sample after a warm-up, per picture
    picture.start                the same without steps: choosing the start and rendering the result, per picture
    picture.from_steps           that, and all steps at the time of one, per picture
    peak_memory_mb               the most this process had resident up to the end of the case, benchmark included

Lists of --resolutions and --batches are best in ascending order, as memory's high-water mark only rises.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor

from bare_convolutions import Convolution, RecordConvolutions, run_all
from measuring import Task, make_parser, parse, peak_memory_mb, publish, repeat, take_turns
from unmask import data
from unmask.compilation import compile_if_possible
from unmask.config import DataConfig, MobileStyleGANConfig, OcclusionConfig, OcclusionSource, StyleGANProjConfig
from unmask.config_dir import sample_root
from unmask.faces import Faces
from unmask.generators.base import Generator
from unmask.generators.mobilestylegan import MobileStyleGAN
from unmask.methods.stylegan_proj import StyleGANProjection
from unmask.projection.noise import NoiseMaps
from unmask.projection.optimise import Stage, optimise
from unmask.projection.schedules import Ramp

ITERATIONS = 3
"""How often a thing is done in a row each time its turn comes."""
PICTURE_ROUNDS = 3
"""At most this many rounds of whole projections, which take long and vary little."""


@dataclass(frozen=True)
class Case:
    """One combination of the command line's lists."""

    resolution: int
    batch: int
    rounds: int
    compile: bool


@dataclass(frozen=True)
class Subject:
    """What is timed: a projection of some faces, taken apart."""

    projection: StyleGANProjection
    faces: Faces

    def tasks(self, *, compiled: bool) -> dict[str, Task]:
        """step, generator and vgg."""
        projection = self.projection
        config, objective = projection.config, projection.objective
        mean = projection.space.statistics.mean.expand(len(self.faces), 1, -1)
        start = mean.expand(-1, projection.generator.num_active_ws, -1).clone().requires_grad_(True)
        images = projection.render(start, ()).requires_grad_(True)
        whom = projection.expected_identity
        identity = None if whom is None else whom.of(self.faces.masked, self.faces.visible)
        target = objective.target(self.faces.masked, self.faces.visible, images.detach(), mean, identity)
        stage = Stage(0, config.lr, Ramp(config.rampup, config.rampdown))

        def losses_of(latents: Tensor, noise: NoiseMaps) -> dict[str, Tensor]:
            return projection.losses(latents, noise, target)

        def total(pictures: Tensor, latents: Tensor) -> Tensor:
            return objective.losses(pictures, latents, (), target)["total"].sum()

        prepare: Callable[[Any], Any] = compile_if_possible if compiled else lambda function: function
        losses, synthesize, total = prepare(losses_of), prepare(projection.synthesize), prepare(total)
        gradient = torch.randn_like(images)
        return {
            "step": lambda count: optimise(start, losses, replace(stage, steps=count)),
            "generator": repeat(lambda: torch.autograd.grad(synthesize(start, ()), start, gradient)),
            "vgg": repeat(lambda: torch.autograd.grad(total(images, start), (images, start), allow_unused=True)),
        }

    def convolutions(self) -> list[Convolution]:
        """Those of one step, in the order of the forward pass."""
        step = self.tasks(compiled=False)["step"]
        with RecordConvolutions() as recorder:
            step(1)
        return recorder.found


def measure(case: Case, progress: Progress) -> dict[str, Any]:
    """Everything about one resolution and batch."""
    torch.compiler.reset()  # a case must not depend on those before it
    stages = progress.add_task("", total=3)

    def now(what: str) -> None:
        progress.update(stages, advance=1, description=f"{case.resolution} px, batch {case.batch}: {what}")

    config = StyleGANProjConfig(name="stylegan_proj", precision="32-true", compile=case.compile)
    generator = MobileStyleGAN.build(MobileStyleGANConfig(), case.resolution)
    subject = Subject(project(config, generator), sample_faces(case))
    now("steps and their parts")
    convolutions = subject.convolutions()
    modes = ("eager", "compiled") if case.compile else ("eager",)
    tasks = {"floor": repeat(lambda: run_all(convolutions))}
    for mode in modes:
        parts = subject.tasks(compiled=mode == "compiled")
        tasks |= {f"{mode}/{name}": task for name, task in parts.items()}
    seconds = take_turns(tasks, case.rounds, ITERATIONS)
    now("whole pictures")
    picture = measure_pictures(subject, min(case.rounds, PICTURE_ROUNDS), seconds[f"{modes[-1]}/step"])
    now("done")
    return {
        "resolution": case.resolution,
        "batch": case.batch,
        "convolutions": len(convolutions),
        "gflop_forward": round(sum(convolution.gflop for convolution in convolutions), 3),
        "bare_convolutions": round(seconds["floor"], 5),
        **{mode: describe_mode(seconds, mode) for mode in modes},
        "picture": {"mode": modes[-1], **picture},
        "peak_memory_mb": peak_memory_mb(),
    }


def project(config: StyleGANProjConfig, generator: Generator) -> StyleGANProjection:
    """The method as a run builds it."""
    return StyleGANProjection(config, generator, torch.device("cpu"), seed=0)


def sample_faces(case: Case) -> Faces:
    """The first pictures of data/sample."""
    config = DataConfig(root=sample_root(), resolution=case.resolution, limit=case.batch)
    dataset = data.load_dataset(config, OcclusionConfig(source=OcclusionSource.painted))
    faces = next(iter(data.batches(dataset, case.batch)))
    assert len(faces) == case.batch, f"data/sample has too few pictures for a batch of {case.batch}"
    return faces


def describe_mode(seconds: dict[str, float], mode: str) -> dict[str, Any]:
    """The step, its parts, their shares of it and the ratio to the floor."""
    step, generator, vgg = (seconds[f"{mode}/{name}"] for name in ("step", "generator", "vgg"))
    parts = {"generator": generator, "vgg": vgg, "rest": step - generator - vgg}
    return {
        "step": round(step, 5),
        **{name: round(value, 5) for name, value in parts.items()},
        "share": {name: round(value / step, 3) for name, value in parts.items()},
        "ratio_to_bare_convolutions": round(step / seconds["floor"], 3),
    }


def measure_pictures(subject: Subject, rounds: int, step: float) -> dict[str, float]:
    """Whole projections, and projections without steps, in turns; `step`: seconds of one step of the batch."""
    config, batch = subject.projection.config, len(subject.faces)
    only_start = project(replace(config, w_steps=0, steps=0, compile=False), subject.projection.generator)
    tasks = {
        "measured": repeat(lambda: subject.projection.unmask(subject.faces)),
        "start": repeat(lambda: only_start.unmask(subject.faces)),
    }
    seconds = {name: value / batch for name, value in take_turns(tasks, rounds, 1).items()}
    seconds["from_steps"] = (config.w_steps + config.steps) * step / batch + seconds["start"]
    return {name: round(value, 3) for name, value in seconds.items()}


def parse_arguments() -> argparse.Namespace:
    parser = make_parser(__doc__, rounds=7)
    parser.add_argument("--resolutions", type=int, nargs="+", default=[128, 256], help="128, 256 or both")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4], help="pictures at once")
    parser.add_argument("--no-compile", action="store_true", help="eager only")
    return parse(parser)


def main() -> None:
    arguments = parse_arguments()
    torch.manual_seed(0)
    with Progress(console=Console(stderr=True)) as progress:
        cases = [
            measure(Case(resolution, batch, arguments.rounds, not arguments.no_compile), progress)
            for resolution in arguments.resolutions
            for batch in arguments.batches
        ]
    publish({"rounds": arguments.rounds, "iterations": ITERATIONS, "cases": cases}, arguments.out)


if __name__ == "__main__":
    main()
