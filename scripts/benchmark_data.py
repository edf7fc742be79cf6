"""Time how fast pictures to train on are made, from pairs on disk and with face masks drawn on the fly.

    python scripts/benchmark_data.py
    python scripts/benchmark_data.py --workers 0 1 2 4 --crop 128 --out outputs/benchmark_data.json

Prints one JSON object to stdout; progress goes to stderr. Pictures are those of data/sample.

    parts.decode          seconds to read the files of one sample, single-threaded (pairs: masked, clean and occlusion)
    parts.draw            seconds to draw a face mask; 0 for pairs
    parts.augment         seconds to crop and mirror
    pictures_per_second   samples that come out of the loader, by number of worker processes; 0: the process itself

Parts are medians over the rounds, taken in turns; rates are the median of as many stretches of one stream.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress

from measuring import Task, make_parser, parse, publish, take_turns
from unmask import data
from unmask.config import DataConfig, OcclusionConfig, OcclusionSource, TrainingConfig
from unmask.config_dir import sample_root
from unmask.data.augment import place_faces
from unmask.faces import Pairing

WARM_UP = 4
"""Batches not timed, while workers start."""


def all_faces(training: TrainingConfig) -> data.FaceSource:
    """Those of data/sample, none held back."""
    config = DataConfig(root=sample_root(), val_fraction=0.0, test_fraction=0.0)
    painted = OcclusionConfig(source=OcclusionSource.painted)
    return data.training_source(config, painted, training, exclude=frozenset())


def measure_parts(source: data.FaceSource, augmentation: data.Augmentation, rounds: int, drawn: bool) -> dict[str, Any]:
    """Seconds of each part of a sample."""
    faces = source.pair(0, seed=0)
    placements = np.random.default_rng(0)

    def over_faces(work: Any) -> Task:
        indices = itertools.cycle(range(len(source.ids)))
        return lambda count: [work(next(indices)) for _ in range(count)]

    tasks = {
        "pair": over_faces(lambda index: source.pair(index, seed=index)),
        "clean": over_faces(source.clean),
        "augment": over_faces(lambda index: place_faces(faces, augmentation.draw(placements))),
    }
    seconds = take_turns(tasks, rounds, iterations=8)
    decode = seconds["clean"] if drawn else seconds["pair"]
    parts = {"decode": decode, "draw": seconds["pair"] - decode, "augment": seconds["augment"]}
    return {name: round(value, 5) for name, value in parts.items()}


def measure_rate(batches: Iterator[Any], rounds: int, pictures: int) -> float:
    """Pictures a second: the median over stretches of at least so many pictures."""
    for _ in range(WARM_UP):
        next(batches)
    rates = []
    for _ in range(rounds):
        seen, start = 0, time.perf_counter()
        while seen < pictures:
            seen += len(next(batches))
        rates.append(seen / (time.perf_counter() - start))
    return round(statistics.median(rates), 1)


def measure(name: str, arguments: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    """Everything about one source."""
    root = str(Path(sample_root()) / "ffhq") if name == "drawn" else None
    training = TrainingConfig(root=root, crop=arguments.crop)
    source = all_faces(training)
    augmentation = data.Augmentation.of(training, arguments.crop)
    stages = progress.add_task(f"{name}: parts", total=1 + len(arguments.workers))
    parts = measure_parts(source, augmentation, arguments.rounds, drawn=name == "drawn")
    rates = {}
    for workers in arguments.workers:
        progress.update(stages, advance=1, description=f"{name}: {workers} workers")
        batches = data.training_batches(
            source,
            pairing=Pairing.paired,
            augmentation=augmentation,
            batch_size=arguments.batch,
            seed=0,
            num_workers=workers,
        )
        rates[str(workers)] = measure_rate(batches, arguments.rounds, arguments.pictures)
        batches.close()
    progress.update(stages, advance=1, description=f"{name}: done")
    return {"source": name, "faces": len(source.ids), "parts": parts, "pictures_per_second": rates}


def parse_arguments() -> argparse.Namespace:
    parser = make_parser(__doc__, rounds=5)
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2], help="processes of the loader")
    parser.add_argument("--crop", type=int, default=256, help="side of the pictures, in pixels")
    parser.add_argument("--batch", type=int, default=4, help="pictures a batch")
    parser.add_argument("--pictures", type=int, default=64, help="pictures a timed stretch")
    return parse(parser)


def main() -> None:
    arguments = parse_arguments()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    with Progress(console=Console(file=sys.stderr)) as progress:
        cases = [measure(name, arguments, progress) for name in ("pairs", "drawn")]
    sizes = {"crop": arguments.crop, "batch": arguments.batch, "rounds": arguments.rounds}
    publish({**sizes, "cases": cases}, arguments.out)


if __name__ == "__main__":
    main()
