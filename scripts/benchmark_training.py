"""Time training steps of Pix2Pix and CycleGAN at the reference's sizes, against plain PyTorch and bare convolutions.

    python scripts/benchmark_training.py                                  # both methods, 256 pixels, batch 1
    python scripts/benchmark_training.py --methods pix2pix --rounds 9 --threads 2 --out outputs/training.json

Prints one JSON object to stdout; progress goes to stderr. What is compared runs in turns in one process, so that a
machine that gets slower meanwhile slows all of it; times are medians over the rounds, in seconds a step.

    plain              the same step in eager fp32, NCHW, PyTorch's own instance norm, Adam without fusion
    layout             channels_last and this project's instance norm, fused Adam; still fp32 and eager
    bf16               the same under autocast to bf16: weights, optimiser and losses stay in fp32
    compiled           layout, with torch.compile
    bf16+compiled      all of it: training.precision=bf16-mixed training.compile=true
    floor              the step's convolutions alone, forward and backward to what needs gradients, in fp32 and in bf16
    ratio_to_plain     a variant's time over that of plain
    peak_memory_mb     resident memory of a fresh process at its highest after three steps of the variant, in 10^6 bytes

Losses of the first step of every variant are given too. All start from the same weights and pictures, so they agree but
for rounding and for the pattern of dropout, which follows the memory layout.
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
from rich.console import Console
from torch import nn

from bare_convolutions import RecordConvolutions, run_all
from measuring import make_parser, parse, peak_memory_mb, publish, repeat, take_turns
from unmask.compilation import compiler_works
from unmask.config import CycleGANConfig, Pix2PixConfig, Pix2PixInput, TrainingConfig
from unmask.faces import Pairing, TrainingBatch
from unmask.methods.cyclegan import CycleGAN
from unmask.methods.pix2pix import Pix2Pix
from unmask.methods.trained import TrainedMethod
from unmask.networks.normalisation import InstanceNorm
from unmask.processes import launch_fabric
from unmask.training.update import Updater, make_optimisers

MEMORY_STEPS = 3


@dataclass(frozen=True)
class Variant:
    """A way of doing the same step."""

    layout: bool
    bf16: bool
    compiled: bool


VARIANTS = {
    "plain": Variant(layout=False, bf16=False, compiled=False),
    "layout": Variant(layout=True, bf16=False, compiled=False),
    "bf16": Variant(layout=True, bf16=True, compiled=False),
    "compiled": Variant(layout=True, bf16=False, compiled=True),
    "bf16+compiled": Variant(layout=True, bf16=True, compiled=True),
}
METHODS: dict[str, Callable[[], TrainedMethod]] = {
    "pix2pix": lambda: Pix2Pix(Pix2PixConfig(name="pix2pix", input=Pix2PixInput.masked)),
    "cyclegan": lambda: CycleGAN(CycleGANConfig(name="cyclegan")),
}
"""Schemas' defaults are the reference's sizes: ngf = ndf = 64, U-Net of 8 levels, ResNet of 9 blocks."""


def make_step(name: str, variant: Variant, batch: TrainingBatch) -> Callable[[], dict[str, float]]:
    """One training step as a call that returns its losses; weights move on from call to call."""
    method = METHODS[name]()
    config = TrainingConfig(precision="bf16-mixed" if variant.bf16 else "32-true")
    fabric = launch_fabric(1, 1, torch.device("cpu"), config.precision)
    networks = method.networks()
    if variant.layout:
        method.to(memory_format=torch.channels_last)
        optimisers = make_optimisers(networks, config, fabric.device)
    else:
        with_plain_norms(method)
        optimisers = {
            key: torch.optim.Adam([p for one in group for p in one.parameters()], config.lr, (config.beta1, 0.999))
            for key, group in networks.items()
        }
    if variant.compiled:
        for network in (network for group in networks.values() for network in group):
            network.compile(dynamic=False)
    update = Updater(fabric, networks, optimisers, clip=None)
    method.train()

    def step() -> dict[str, float]:
        torch.manual_seed(0)
        with fabric.autocast():
            losses = method.training_step(batch, update)
        return {key: round(float(loss), 4) for key, loss in losses.items()}

    return step


def with_plain_norms(module: nn.Module) -> None:
    """Put PyTorch's own instance norm in place of ours."""
    for name, child in module.named_children():
        if isinstance(child, InstanceNorm):
            module.register_module(name, nn.InstanceNorm2d(child.num_features))
        else:
            with_plain_norms(child)


def make_batch(name: str, resolution: int, size: int) -> TrainingBatch:
    """Random pictures, the same for every variant."""
    generator = torch.Generator().manual_seed(0)
    masked, clean = (torch.rand(size, 3, resolution, resolution, generator=generator) * 2 - 1 for _ in range(2))
    ids = tuple(map(str, range(size)))
    paired = METHODS[name]().pairing is Pairing.paired
    others = ids if paired else tuple(f"other {id}" for id in ids)
    return TrainingBatch(ids, others, masked, torch.zeros(size, 1, resolution, resolution), clean)


def measure(name: str, arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Everything about one method."""
    batch = make_batch(name, arguments.resolution, arguments.batch)
    variants = {key: value for key, value in VARIANTS.items() if not (value.compiled and arguments.no_compile)}
    console.print(f"{name}: peak memory")
    memory = {key: memory_of(name, key, arguments) for key in variants}
    steps = {key: make_step(name, variant, batch) for key, variant in variants.items()}
    first = {}
    for key, step in steps.items():
        console.print(f"{name}: first step of {key}")
        first[key] = step()
    floors = {}
    for label, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        with RecordConvolutions(dtype) as recorder:
            steps["plain"]()
        floors[label] = recorder.found
    console.print(f"{name}: {arguments.rounds} rounds")
    tasks = {key: repeat(step) for key, step in steps.items()}
    tasks |= {f"floor {label}": repeat(partial(run_all, found)) for label, found in floors.items()}
    seconds = take_turns(tasks, arguments.rounds, 1)
    return {
        "method": name,
        "resolution": arguments.resolution,
        "batch": arguments.batch,
        "convolutions": len(floors["fp32"]),
        "gflop_forward": round(sum(convolution.gflop for convolution in floors["fp32"]), 2),
        "seconds": {key: round(value, 4) for key, value in seconds.items()},
        "ratio_to_plain": {key: round(seconds[key] / seconds["plain"], 3) for key in variants},
        "peak_memory_mb": memory,
        "first_losses": first,
    }


def memory_of(name: str, variant: str, arguments: argparse.Namespace) -> int:
    """Of a process of its own, as memory's high-water mark never falls."""
    words = [sys.executable, __file__, "--methods", name, "--only", variant]
    words += ["--resolution", str(arguments.resolution), "--batch", str(arguments.batch)]
    if arguments.threads is not None:
        words += ["--threads", str(arguments.threads)]
    return int(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


def parse_arguments() -> argparse.Namespace:
    parser = make_parser(__doc__, rounds=5)
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--resolution", type=int, default=256, help="height and width, in pixels")
    parser.add_argument("--batch", type=int, default=1, help="pictures a step")
    parser.add_argument("--no-compile", action="store_true", help="eager variants only")
    parser.add_argument("--only", choices=list(VARIANTS), help="take three steps, and print this process's peak memory")
    return parse(parser)


def main() -> None:
    arguments = parse_arguments()
    arguments.no_compile = arguments.no_compile or not compiler_works("--no-compile")
    if arguments.only is not None:
        name = arguments.methods[0]
        step = make_step(name, VARIANTS[arguments.only], make_batch(name, arguments.resolution, arguments.batch))
        for _ in range(MEMORY_STEPS):
            step()
        print(peak_memory_mb())
        return
    console = Console(stderr=True)
    cases = [measure(name, arguments, console) for name in arguments.methods]
    publish({"rounds": arguments.rounds, "cases": cases}, arguments.out)


if __name__ == "__main__":
    main()
