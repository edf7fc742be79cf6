"""Time a full-size StyleGAN2 with random weights, as a projection uses it: forward, backward to W+, a whole step.

    python scripts/benchmark_stylegan2.py --threads 2                          # 256 pixels, batches of 1 and 4
    python scripts/benchmark_stylegan2.py --resolution 1024 --batches 1 --variants bf16+compiled fp32+compiled
    python scripts/benchmark_stylegan2.py --device cuda --batches 1 8          # on a GPU; adds CUDA graphs

Prints one JSON object to stdout; progress goes to stderr. What is compared runs in turns in one process, so that a
machine that gets slower meanwhile slows all of it; times are medians over the rounds, in seconds a batch.

    forward            w_plus -> pictures, without gradients
    forward_backward   the same, and back to w_plus
    step               a step of a projection: noise maps and w_plus, VGG-16 to relu2_2 at 256 pixels, the noise
                       regulariser, Adam
    modulated          weights modulated and demodulated for every picture, grouped convolutions, the filter a
                       depthwise convolution, in eager fp32 and NCHW: how the published code computes
    fp32, bf16         this project's layers, eager; bf16: convolutions only
    +compiled          with torch.compile; +graphs (CUDA): in CUDA graphs too
    floor              the convolutions of forward_backward or of the step alone, forward and backward to their inputs:
                       same shapes and frozen weights, channels_last, nothing in between
    ratio_to_floor     a variant's time over that of the floor in its number format
    peak_memory_mb     of a fresh process that takes five steps of the variant: resident memory at its highest (CPU), or
                       what torch allocated (CUDA), in 10^6 bytes
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from rich.console import Console
from torch import Tensor

from bare_convolutions import RecordConvolutions, run_all
from measuring import make_parser, parse, peak_memory_mb, publish, repeat, take_turns
from unmask.compilation import compiler_works
from unmask.generators.stylegan2.architecture import GeneratorArchitecture
from unmask.generators.stylegan2.filters import upfirdn2d
from unmask.generators.stylegan2.layers import SynthesisLayer, activate
from unmask.generators.stylegan2.synthesis import Synthesis, SynthesisBlock
from unmask.networks.vgg import VGG16Features
from unmask.projection.latents import LatentStatistics
from unmask.projection.noise import NoiseMaps
from unmask.projection.objective import Objective, Weights
from unmask.projection.optimise import Stage, optimise
from unmask.projection.perceptual import PerceptualDistance
from unmask.projection.schedules import Ramp

W_DIM = 512
MEMORY_STEPS = 5


@dataclass(frozen=True)
class Variant:
    """A way of computing the same pictures."""

    modulated: bool = False
    bf16: bool = False
    compiled: bool = False
    graphs: bool = False

    @property
    def floor(self) -> str:
        """The floor it is held against."""
        return "floor bf16" if self.bf16 else "floor fp32"


VARIANTS = {
    "modulated": Variant(modulated=True),
    "fp32": Variant(),
    "bf16": Variant(bf16=True),
    "fp32+compiled": Variant(compiled=True),
    "bf16+compiled": Variant(bf16=True, compiled=True),
    "fp32+graphs": Variant(compiled=True, graphs=True),
    "bf16+graphs": Variant(bf16=True, compiled=True, graphs=True),
}


class ModulatedWeights(SynthesisLayer):
    """The same layer by the letter of Karras et al. 2020, section 2.2: weights of its own for every picture."""

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None, gain: float = 1.0) -> Tensor:
        """See `SynthesisLayer.forward`."""
        batch, channels, height, width = x.shape
        weight = self.weight * self.affine(w)[:, None, :, None, None]
        weight = weight * (weight.square().sum((2, 3, 4), keepdim=True) + 1e-8).rsqrt()
        x = x.reshape(1, batch * channels, height, width)
        if self.up:
            kernel = weight.transpose(1, 2).reshape(batch * channels, -1, 3, 3)
            x = F.conv_transpose2d(x, kernel, stride=2, groups=batch)
            x = x.reshape(batch, -1, *x.shape[2:])
            x = upfirdn2d(x, self.resample_filter, padding=(1, 1, 1, 1), gain=4.0)
        else:
            x = F.conv2d(x, weight.reshape(-1, channels, 3, 3), padding=1, groups=batch)
            x = x.reshape(batch, -1, *x.shape[2:])
        if noise is not None:
            x = x + noise * self.noise_strength
        return activate(x + self.bias[:, None, None], gain=gain, clamp=self.clamp)


def make_synthesis(resolution: int, variant: Variant, device: torch.device) -> Synthesis:
    """Random weights of the published size, the same for every variant."""
    torch.manual_seed(0)
    settings = GeneratorArchitecture(resolution)
    synthesis = Synthesis(settings)
    if variant.modulated:
        for block in synthesis.blocks():
            with_modulated_weights(block)
        return synthesis.requires_grad_(False).to(device)
    synthesis = synthesis.to(device)
    synthesis.freeze(torch.bfloat16 if variant.bf16 else None)
    return synthesis


def with_modulated_weights(block: SynthesisBlock) -> None:
    """Put the letter of the paper in place of our layers."""
    names = ("conv0", "conv1")[-block.num_conv :]
    for name, layer in zip(names, block.layers(), strict=True):
        out_channels, in_channels = layer.weight.shape[:2]
        size = layer.noise_const.shape[-1]
        other = ModulatedWeights(in_channels, out_channels, W_DIM, size, up=layer.up, clamp=layer.clamp)
        other.load_state_dict(layer.state_dict())
        setattr(block, name, other)


@dataclass(frozen=True)
class Subject:
    """A synthesis network, what it is given, and what its pictures are compared with."""

    synthesis: Synthesis
    variant: Variant
    w_plus: Tensor
    objective: Objective
    target: Any

    @classmethod
    def make(cls, name: str, resolution: int, batch: int, device: torch.device) -> Subject:
        """Everything for one variant; VGG-16 is random too, since only its shapes matter."""
        variant = VARIANTS[name]
        synthesis = make_synthesis(resolution, variant, device)
        w_plus = torch.randn(batch, synthesis.num_ws, W_DIM, device=device)
        statistics = LatentStatistics(torch.zeros(W_DIM, device=device), torch.ones(W_DIM, device=device))
        dtype = torch.bfloat16 if variant.bf16 else None
        vgg = VGG16Features(("relu2_2",), random_vgg_state(), dtype).to(device)
        if not variant.modulated:
            vgg = vgg.to(memory_format=torch.channels_last)
        objective = Objective(
            Weights(pixel=0.0, perceptual=1.0, prior=0.0, spread=0.0, noise=1e5),
            statistics,
            perceptual=PerceptualDistance(vgg, 256, normalise=True, margin=0.0),
        )
        pictures = torch.rand(batch, 3, resolution, resolution, device=device) * 2 - 1
        everywhere = torch.ones(batch, 1, resolution, resolution, device=device)
        target = objective.target(pictures, everywhere, filler=pictures, anchor=w_plus[:, :1])
        return cls(synthesis, variant, w_plus, objective, target)

    def tasks(self) -> dict[str, Callable[[int], object]]:
        """forward, forward_backward and step."""
        synthesize, losses = self.prepare(self.synthesize), self.prepare(self.losses)
        inference = self.prepare(self.synthesize)
        leaf = self.w_plus.clone().requires_grad_(True)
        with torch.no_grad():
            cotangent = torch.randn_like(self.synthesize(self.w_plus))
        maps = tuple(torch.randn_like(one).expand(len(leaf), -1, -1, -1) for one in self.synthesis.noise_maps())

        def forward() -> None:
            with torch.no_grad():
                inference(self.w_plus)

        def forward_backward() -> None:
            torch.autograd.grad(synthesize(leaf), leaf, cotangent)

        def step(count: int) -> None:
            optimise(self.w_plus, losses, Stage(count, 0.01, Ramp(0.0, 0.0)), noise=maps)

        found = {"forward": repeat(forward), "forward_backward": repeat(forward_backward), "step": step}
        return {name: self.waited_for(task) for name, task in found.items()}

    def prepare(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function as the variant runs it."""
        if not self.variant.compiled:
            return function
        return torch.compile(function, dynamic=False, mode="reduce-overhead" if self.variant.graphs else "default")

    def waited_for(self, task: Callable[[int], object]) -> Callable[[int], object]:
        """The task, done when the device is."""
        if self.w_plus.device.type != "cuda":
            return task

        def done(count: int) -> None:
            task(count)
            torch.cuda.synchronize()

        return done

    def synthesize(self, w_plus: Tensor) -> Tensor:
        """(B,num_ws,w_dim) -> (B,3,R,R) with the constant noise."""
        return self.synthesis(w_plus)

    def losses(self, latents: Tensor, noise: NoiseMaps) -> dict[str, Tensor]:
        """Of a step."""
        return self.objective.losses(self.synthesis(latents, noise), latents, noise, self.target)


def random_vgg_state() -> dict[str, Tensor]:
    """Kernels for VGG-16 to relu2_2, by torchvision's names."""
    shapes = {0: (3, 64), 2: (64, 64), 5: (64, 128), 7: (128, 128)}
    state = {}
    for index, (fan_in, width) in shapes.items():
        state[f"{index}.weight"] = torch.randn(width, fan_in, 3, 3) * (2 / (9 * fan_in)) ** 0.5
        state[f"{index}.bias"] = torch.zeros(width)
    return state


def measure(batch: int, arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Everything about one batch size."""
    torch.compiler.reset()
    names, device = arguments.variants, torch.device(arguments.device)
    memory = {}
    for name in names:
        console.print(f"batch {batch}: peak memory of {name}")
        memory[name] = memory_of(name, batch, arguments)
    subjects = {name: Subject.make(name, arguments.resolution, batch, device) for name in names}
    tasks = {}
    for name, subject in subjects.items():
        console.print(f"batch {batch}: first calls of {name}")
        for what, task in subject.tasks().items():
            task(1)
            tasks[f"{what}/{name}"] = task
    for what in ("forward_backward", "step"):
        for label, dtype in (("floor fp32", torch.float32), ("floor bf16", torch.bfloat16)):
            plain = Subject.make("fp32", arguments.resolution, batch, device)
            with RecordConvolutions(dtype) as recorder:
                plain.tasks()[what](1)
            # Making the tasks calls the synthesis once without gradients, which does not count.
            found = [one for one in recorder.found if one.input.requires_grad]
            tasks[f"{what}/{label}"] = plain.waited_for(repeat(partial(run_all, found)))
    console.print(f"batch {batch}: {arguments.rounds} rounds")
    seconds = take_turns(tasks, arguments.rounds, 1)
    kinds = ("forward", "forward_backward", "step")
    return {
        "resolution": arguments.resolution,
        "batch": batch,
        "seconds": {
            kind: {
                key.partition("/")[2]: round(value, 4) for key, value in seconds.items() if key.startswith(f"{kind}/")
            }
            for kind in kinds
        },
        "ratio_to_floor": {
            kind: {
                name: round(seconds[f"{kind}/{name}"] / seconds[f"{kind}/{VARIANTS[name].floor}"], 3) for name in names
            }
            for kind in kinds[1:]
        },
        "ratio_to_modulated": {
            kind: {name: round(seconds[f"{kind}/{name}"] / seconds[f"{kind}/modulated"], 3) for name in names}
            for kind in kinds
            if "modulated" in names
        },
        "peak_memory_mb": memory,
    }


def memory_of(variant: str, batch: int, arguments: argparse.Namespace) -> int:
    """Of a process of its own, as memory's high-water mark never falls."""
    words = [sys.executable, __file__, "--only", variant, "--resolution", str(arguments.resolution)]
    words += ["--batches", str(batch), "--device", arguments.device]
    if arguments.threads is not None:
        words += ["--threads", str(arguments.threads)]
    return int(subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout)


def take_steps(variant: str, arguments: argparse.Namespace) -> int:
    """Five steps, and the most memory they took in 10^6 bytes."""
    device = torch.device(arguments.device)
    Subject.make(variant, arguments.resolution, arguments.batches[0], device).tasks()["step"](MEMORY_STEPS)
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 1e6)
    return peak_memory_mb()


def parse_arguments() -> argparse.Namespace:
    parser = make_parser(__doc__, rounds=5)
    parser.add_argument("--resolution", type=int, default=256, help="height and width, in pixels")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4], help="pictures at once")
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), help="all that the device can do if left out")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--only", choices=list(VARIANTS), help="take five steps, and print this process's peak memory")
    return parse(parser)


def main() -> None:
    arguments = parse_arguments()
    compiles = compiler_works("eager variants only")
    if arguments.only is not None:
        print(take_steps(arguments.only, arguments))
        return
    if arguments.variants is None:
        possible = {name: one for name, one in VARIANTS.items() if compiles or not one.compiled}
        arguments.variants = [name for name, one in possible.items() if arguments.device == "cuda" or not one.graphs]
    console = Console(stderr=True)
    cases = [measure(batch, arguments, console) for batch in arguments.batches]
    gpu = torch.cuda.get_device_name() if arguments.device == "cuda" else None
    publish({"gpu": gpu, "rounds": arguments.rounds, "cases": cases}, arguments.out)


if __name__ == "__main__":
    main()
