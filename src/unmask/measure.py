"""``python -m unmask.measure RUN_DIR...``: the pictures of finished runs measured, or measured again.

Adds what a run's version did not measure yet, or what was never measured since the run was interrupted. Runs of one
data set are measured side by side: what is known of a clean picture is computed once for all of them. Rows are written
as they are measured, so that what is interrupted goes on where it stopped.

Exit codes: 0 done; 2 anything the user can mend; 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from rich import get_console

from unmask.building import pick_device
from unmask.claim import claimed
from unmask.data import dataset_of, originals
from unmask.errors import UnmaskError
from unmask.evaluation.answers import calibrate
from unmask.evaluation.measure import Measured, measure_pictures, wanting
from unmask.evaluation.metrics import FaceMetrics
from unmask.making.outputs import RunOutputs
from unmask.results.pictures import Hidden, kept_hidden
from unmask.results.read import FinishedRun, find_runs, read_run
from unmask.results.summary import EvaluationResult, summarise
from unmask.results.table import terminal_table
from unmask.terminal import leave, progress_bar, steady_streams


@dataclass(frozen=True)
class Options:
    """The command line; see `parse`."""

    runs: tuple[str, ...]
    device: str
    workers: int | None
    again: bool
    faces: FaceMetrics
    root: Path | None
    calibration: bool
    progress: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    steady_streams()
    options = parse(arguments)
    try:
        results = measure_runs(options)
    except UnmaskError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        leave(130, "Interrupted. What is measured is kept; the same command goes on.")
    get_console().print(terminal_table(results))
    return 0


def measure_runs(options: Options) -> list[EvaluationResult]:
    """Measure every run that is named, and write metrics.csv and metrics.json of each anew.

    Raises:
        UnmaskError: a run or its data cannot be read, or weights cannot be had; what is measured by then is kept.
    """
    runs = [read_run(folder) for folder in find_runs(options.runs)]
    device = pick_device(options.device)
    workers = options.workers or torch.get_num_threads()
    with ExitStack() as held:
        for run in runs:
            held.enter_context(claimed(run.folder.absolute(), wait=False))
        for group in of_one_data_set(runs):
            measure_group(group, options, device=device, workers=workers)
        if options.calibration:
            for run in runs:
                calibrate_run(run, options.root)
        return [summarised(run) for run in runs]


def of_one_data_set(runs: Sequence[FinishedRun]) -> list[list[FinishedRun]]:
    """The runs in groups that read the same files in the same way."""
    groups: dict[str, list[FinishedRun]] = {}
    for run in runs:
        key = {name: value for name, value in (run.config.get("data") or {}).items() if name in READ_BY}
        groups.setdefault(json.dumps(key, sort_keys=True, default=str), []).append(run)
    return list(groups.values())


READ_BY = ("root", "clean_dir", "masked_dir", "manifest", "resolution", "align")
"""Options of `data` that decide which picture an id is."""


def measure_group(runs: Sequence[FinishedRun], options: Options, *, device: torch.device, workers: int) -> None:
    """Add a row to metrics.csv for every picture that is measured."""
    wanted = [
        Measured(
            run.folder, tuple(one for one in run.records if options.again or wanting(one, faces_of(run, options.faces)))
        )
        for run in runs
    ]
    count = sum(len(one.records) for one in wanted)
    if not count:
        return
    for before in runs:  # rows of this version need its header
        RunOutputs.of(before.folder).write_table(before.records)
    ids = sorted({record.id for one in wanted for record in one.records})
    dataset = dataset_of(runs[0], ids, options.root)
    places = {id: index for index, id in enumerate(dataset.ids)}

    def occlusion(id: str) -> Hidden:
        faces = dataset[places[id]]
        return Hidden(faces.occlusion[0], faces.filled[0])

    faces = {run.folder: faces_of(run, options.faces) for run in runs}
    union = FaceMetrics(any(one.identity for one in faces.values()), any(one.expression for one in faces.values()))
    with progress_bar("measuring", count, enabled=options.progress) as show:
        measured = measure_pictures(
            wanted, lambda ids: originals(dataset, ids), occlusion, faces=union, workers=workers, device=device
        )
        for done, (run, record) in enumerate(measured, 1):
            RunOutputs.of(run.folder).write_record(record)
            show(done, record.id)


def calibrate_run(run: FinishedRun, root: Path | None) -> None:
    """Write calibration.json and calibration.png of a run of several answers.

    Raises:
        UnmaskError: it has one answer to each picture, its data have no clean ones, or it kept no occlusions.
    """
    dataset = dataset_of(run, run.ids, root)
    if any(pair.clean is None for pair in dataset.pairs):
        raise UnmaskError(f"{run.folder}: without clean pictures nobody knows whether the truth is among the answers.")
    calibrate(run.folder, originals(dataset, run.ids), partial(kept_hidden, run.folder))


def faces_of(run: FinishedRun, asked: FaceMetrics) -> FaceMetrics:
    """The metrics of the face that the run's configuration or the command line wants."""
    config = run.config.get("evaluation") or {}
    return FaceMetrics(
        asked.identity or bool(config.get("identity", True)), asked.expression or bool(config.get("expression", True))
    )


def summarised(run: FinishedRun) -> EvaluationResult:
    """Write metrics.csv and metrics.json from the rows that are there now; all else in metrics.json stays."""
    records = read_run(run.folder).records
    config, earlier = run.config.get("evaluation") or {}, run.result
    outputs = RunOutputs.of(run.folder)
    outputs.write_table(records)
    result = summarise(
        earlier.run,
        records,
        earlier.failures,
        complete=earlier.complete,
        bootstrap_samples=int(config.get("bootstrap_samples", 2000)),
        peak_memory_mb=earlier.peak_memory_mb,
        seconds_compiling=earlier.seconds_compiling,
    )
    outputs.write_summary(result.to_json())
    return result


def parse(arguments: Sequence[str] | None) -> Options:
    """Read the command line; mistakes in it end the program with exit code 2."""
    parser = argparse.ArgumentParser(
        prog="python -m unmask.measure", description="Measure the pictures of finished runs, or measure them again."
    )
    parser.add_argument("runs", nargs="+", metavar="RUN_DIR", help="run directories, folders of them, or globs")
    parser.add_argument("--device", default="auto", help="where LPIPS is computed (default: %(default)s)")
    parser.add_argument("--workers", type=int, metavar="N", help="threads (default: as many as there are cores)")
    parser.add_argument("--again", action="store_true", help="measure what has a value, too")
    parser.add_argument("--identity", action="store_true", help="also where the run had evaluation.identity=false")
    parser.add_argument("--expression", action="store_true", help="also where it had evaluation.expression=false")
    parser.add_argument(
        "--root", type=Path, metavar="DIR", help="where the data, or their manifest, are now if they have moved"
    )
    parser.add_argument(
        "--calibration", action="store_true", help="of runs of several answers: is the truth among them often enough?"
    )
    parser.add_argument("--no-progress", action="store_true", help="no progress bar")
    read = parser.parse_args(arguments)
    if read.workers is not None and read.workers < 1:
        parser.error("--workers: at least 1")
    faces = FaceMetrics(read.identity, read.expression)
    return Options(
        tuple(read.runs),
        read.device,
        read.workers,
        read.again,
        faces,
        read.root,
        read.calibration,
        not read.no_progress,
    )


if __name__ == "__main__":
    sys.exit(main())
