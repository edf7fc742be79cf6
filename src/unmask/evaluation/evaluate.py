"""The one evaluation of all methods: a callable in, files and numbers out."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from unmask.config import EvaluationConfig, OcclusionConfig
from unmask.errors import UnmaskError
from unmask.evaluation.finish import finish
from unmask.evaluation.outputs import RunOutputs
from unmask.evaluation.records import PictureRecord
from unmask.evaluation.report import GridRow, draw_grid
from unmask.evaluation.summary import EvaluationResult, RunInfo, summarise
from unmask.evaluation.watch import StepWatcher
from unmask.faces import Faces, Failure, Reconstruction
from unmask.images import from_uint8
from unmask.runlog import RunLog

logger = logging.getLogger(__name__)

NOT_FINITE = "The method returned a picture with values that are not finite."


def evaluate(
    unmask: Callable[..., Reconstruction],
    batches: Iterable[Faces],
    *,
    config: EvaluationConfig,
    occlusion: OcclusionConfig,
    run: RunInfo,
    run_log: RunLog,
    output_dir: Path,
    device: torch.device | str = "cpu",
    total: int | None = None,
    progress: bool = False,
    skipped: Callable[[], Sequence[Failure]] = tuple,
) -> EvaluationResult:
    """Unmask every picture, composite, measure, and write the run directory as pictures finish.

    An evaluation that was interrupted in the same `output_dir` with the same ``run.config_hash`` goes on
    where it stopped; with another hash it starts over. On any exception (Ctrl-C and a full disk among them)
    what is finished stays, metrics.json says "incomplete", and the exception goes on its way.

    Args:
        unmask: called as ``unmask(faces, on_step=callback)``; see `unmask.methods.base.Method.unmask`.
        batches: what to unmask, with distinct ids.
        config: which metrics and reports.
        occlusion: how the composite is joined (feather, blend).
        run: names and settings to write down.
        run_log: where curves and pictures go; not closed here.
        output_dir: the run directory.
        device: where `unmask` is given its pictures.
        total: how many pictures there are, for the progress bar.
        progress: show a progress bar.
        skipped: asked at the end for the pictures that were left out of `batches`, and why.
    Raises:
        UnmaskError: a file cannot be written, or weights that a metric needs cannot be had.
    """
    device = torch.device(device)
    outputs = RunOutputs.open(output_dir, run.config_hash)
    records = {record.id: record for record in outputs.finished}
    if records:
        logger.info("Going on: %d pictures are finished in %s.", len(records), output_dir)
    failures: list[Failure] = []
    grid: list[GridRow] = []

    def result(complete: bool) -> EvaluationResult:
        return summarise(
            run,
            tuple(records.values()),
            (*failures, *skipped()),
            complete=complete,
            bootstrap_samples=config.bootstrap_samples,
            peak_memory_mb=peak_memory_mb(device),
        )

    bar = Progress(
        TextColumn("unmasking"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        disable=not progress,
    )
    task = bar.add_task("unmasking", total=total, note="")
    watcher = StepWatcher(
        run_log,
        curves=config.grid_rows,
        emerge_every=config.emerge_every,
        on_note=lambda note: bar.update(task, note=note),
    )
    try:
        outputs.write_summary(result(complete=False).to_json())
        with bar:
            for faces in batches:
                todo = [index for index, id in enumerate(faces.ids) if id not in records]
                finished = _select(faces, [index for index in range(len(faces)) if index not in todo])
                for index, id in enumerate(finished.ids):
                    if len(grid) < config.grid_rows:
                        raw, joined = outputs.load_pictures(id)
                        grid.append(_grid_row(finished[index], raw, joined))
                bar.advance(task, len(finished))
                if not todo:
                    continue
                faces = _select(faces, todo)
                reconstruction, seconds = _timed(unmask, faces.to(device), watcher, device)
                failures += reconstruction.failures
                for one, made in _pair(faces, reconstruction, failures):
                    joined, measurements = finish(made.raw, one, occlusion, identity=config.identity)
                    doubt = one.doubts[0].reason if one.doubts else None
                    record = PictureRecord(one.ids[0], seconds / len(faces), measurements, doubt)
                    outputs.write_picture(made, joined, record)
                    records[record.id] = record
                    if len(grid) < config.grid_rows:
                        grid.append(_grid_row(one, made.raw[0], joined[0]))
                bar.advance(task, len(faces))
        watcher.log_mean_curves()
        final = result(complete=True)
        _report(final, grid, outputs, run_log)
        outputs.write_summary(final.to_json())
    except BaseException:
        # Ctrl-C included: whatever happened, leave a directory that says what is in it
        _leave_incomplete(lambda: _report_incomplete(result(complete=False), grid, outputs, run_log))
        raise
    for failure in final.failures:
        logger.warning("Not finished: %s: %s", failure.id, failure.reason)
    return final


def peak_memory_mb(device: torch.device) -> float | None:
    """Most memory used so far, in 2^20 bytes: of torch on a CUDA device, of this process otherwise.

    None on systems that do not count it (Windows).
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    if sys.platform == "win32":
        return None
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, kilobytes elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def _timed(
    unmask: Callable[..., Reconstruction], faces: Faces, watcher: StepWatcher, device: torch.device
) -> tuple[Reconstruction, float]:
    """The reconstruction on the CPU, and the seconds of the method alone, without what the watcher took."""
    watched = watcher.seconds
    started = time.perf_counter()
    made = unmask(faces, on_step=watcher)
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    seconds = time.perf_counter() - started - (watcher.seconds - watched)
    return (
        replace(
            made,
            raw=made.raw.detach().cpu(),
            w_plus=None if made.w_plus is None else made.w_plus.detach().cpu(),
            full=None if made.full is None else made.full.detach().cpu(),
        ),
        seconds,
    )


def _pair(faces: Faces, made: Reconstruction, failures: list[Failure]) -> Iterable[tuple[Faces, Reconstruction]]:
    """Each finished picture with what was made of it, as batches of one; NaN makes it a failure instead."""
    accounted = {*made.ids, *(failure.id for failure in made.failures)}
    assert accounted == set(faces.ids), f"the method got {faces.ids} and returned {sorted(accounted)}"
    assert made.raw.shape == (len(made.ids), *faces.masked.shape[1:]), f"raw is {tuple(made.raw.shape)}"
    for row, id in enumerate(made.ids):
        if not bool(made.raw[row].isfinite().all()):
            failures.append(Failure(id, NOT_FINITE))
            continue
        one = slice(row, row + 1)
        yield (
            faces[faces.ids.index(id)],
            Reconstruction(
                (id,),
                made.raw[one],
                None if made.w_plus is None else made.w_plus[one],
                None if made.full is None else made.full[one],
            ),
        )


def _select(faces: Faces, indices: list[int]) -> Faces:
    if len(indices) == len(faces):
        return faces
    return Faces(
        tuple(faces.ids[index] for index in indices),
        faces.masked[indices],
        faces.occlusion[indices],
        faces.hole[indices],
        None if faces.clean is None else faces.clean[indices],
        tuple(doubt for doubt in faces.doubts if faces.ids.index(doubt.id) in indices),
    )


def _grid_row(one: Faces, raw: Tensor, joined: Tensor) -> GridRow:
    clean = None if one.clean is None else one.clean[0]
    return GridRow.from_tensors(one.ids[0], masked=one.masked[0], raw=raw, composite=joined, clean=clean)


def _report(
    result: EvaluationResult, rows: Sequence[GridRow], outputs: RunOutputs, run_log: RunLog
) -> np.ndarray | None:
    """Grid and TensorBoard's summary of a finished evaluation."""
    grid = _write_grid(rows, outputs)
    if grid is not None:
        run_log.image("pictures/grid", from_uint8(grid), 0)
    means = {name: summary.mean for name, summary in result.metrics.items()}
    run_log.hparams(result.run.settings, means | {"seconds_per_image": result.seconds_per_image})
    run_log.flush()
    return grid


def _report_incomplete(result: EvaluationResult, rows: Sequence[GridRow], outputs: RunOutputs, run_log: RunLog) -> None:
    outputs.write_summary(result.to_json())
    _write_grid(rows, outputs)
    run_log.flush()


def _write_grid(rows: Sequence[GridRow], outputs: RunOutputs) -> np.ndarray | None:
    if not rows:
        return None
    grid = draw_grid(rows)
    outputs.write_grid(grid)
    return grid


def _leave_incomplete(write: Callable[[], None]) -> None:
    """Write what can be written; on a full disk metrics.json says "incomplete" already, from the start."""
    try:
        write()
    except (UnmaskError, OSError) as error:
        logger.error("The run directory could not be brought up to date: %s", error)
