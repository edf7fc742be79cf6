"""The one evaluation of all methods: pictures are made, then measured, then reported."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import torch

from unmask.config import EvaluationConfig
from unmask.errors import UnmaskError
from unmask.evaluation.gallery import Gallery, make_gallery
from unmask.evaluation.measure import Measured, Originals, measure_pictures, wanting
from unmask.evaluation.metrics import FaceMetrics, hole_scores
from unmask.evaluation.tensorboard import report
from unmask.faces import Reconstruction
from unmask.making.emerging import NO_FRAMES, EmergingPictures, Frames
from unmask.making.make import Made, Task, make
from unmask.making.outputs import RunOutputs
from unmask.processes import Processes
from unmask.results.layout import finished_records, occlusion_path
from unmask.results.records import PictureRecord, record_from_row, row_of
from unmask.results.summary import EvaluationResult
from unmask.runlog import RunLog
from unmask.terminal import progress_bar

logger = logging.getLogger(__name__)


def evaluate(
    unmask: Callable[..., Reconstruction],
    task: Task,
    originals: Originals,
    *,
    config: EvaluationConfig,
    run_log: RunLog,
    processes: Processes,
    progress: bool = False,
) -> EvaluationResult | None:
    """Make what `task` asks for, measure it, and report.

    What was interrupted goes on where it stopped, in the making and in the measuring; see `unmask.making.make`.

    Args:
        unmask: called as ``unmask(faces, on_step=callback)``; see `unmask.methods.base.Method.unmask`.
        originals: gives the inputs once more, without their occlusions, to measure and to show.
        config: which metrics and reports.
        run_log: where curves and pictures go; not closed here.
        processes: who works, and on which device.
        progress: show progress bars, of the work of all processes.
    Returns:
        The result; None in all processes but the first.
    Raises:
        UnmaskError: a file cannot be written, no picture can be decoded, or weights that a metric needs cannot be had.
    """
    frames = Frames.of(config) if processes.first else NO_FRAMES
    emerging = EmergingPictures(run_log, task.occlusion, frames, hole_scores)
    try:
        made = make(unmask, task, emerging=emerging, run_log=run_log, processes=processes, progress=progress)
    except BaseException:
        if processes.first:
            _draw_what_is_there(task, originals, config.grid_rows, run_log)
        raise
    try:
        records = measure_made(made, originals, config=config, processes=processes, progress=progress)
        if made.whole is None:
            return None
        part = replace(made.whole, records=records)
        made.outputs.write_table(part.records)
        result = task.result(part, complete=True)
        gallery = _draw(task, originals, config.grid_rows)
        report(result, gallery, part.steps, run_log)
        made.outputs.write_summary(result.to_json())
    except BaseException as error:
        # Ctrl-C included: whatever happened, leave a directory that says what is in it
        if processes.first:
            processes.stop_others(error)
            if made.whole is not None:
                part = replace(made.whole, records=made.outputs.finished())
                made.outputs.leave_incomplete(task.result(part, complete=False))
            _draw_what_is_there(task, originals, config.grid_rows, run_log)
        raise
    _tell(result)
    return result


def measure_made(
    made: Made, originals: Originals, *, config: EvaluationConfig, processes: Processes, progress: bool
) -> tuple[PictureRecord, ...]:
    """The records of all pictures with their numbers, at the first process; () at the others. Each measures its share,
    and writes a row as it has one."""
    folder, faces = made.outputs.folder, FaceMetrics.of(config)
    records = () if made.whole is None else made.whole.records
    # what an older version made is left as it was measured: it kept no occlusions (python -m unmask.measure finds them)
    left = [one for one in records if wanting(one, faces) and occlusion_path(folder, one.id).is_file()]
    left = [record_from_row(row) for row in processes.broadcast([row_of(one) for one in left])]
    before = processes.done
    done = []
    with progress_bar("measuring", len(left), enabled=progress) as show:
        measured = measure_pictures(
            [Measured(folder, processes.share(left))],
            originals,
            faces=faces,
            workers=torch.get_num_threads(),
            device=processes.device,
        )
        for _, record in measured:
            processes.stop_if_another_failed()
            made.outputs.write_record(record)
            done.append(record)
            processes.advance(1)
            show(processes.done - before, "")
        shares = processes.gather(
            [row_of(record) for record in done],
            meanwhile=lambda: show(processes.done - before, "waiting for the other processes"),
        )
    new = {row[0]: record_from_row(row) for share in shares for row in share}
    return tuple(new.get(record.id, record) for record in records)


def _draw(task: Task, originals: Originals, rows: int) -> Gallery | None:
    gallery = make_gallery(finished_records(task.folder)[:rows], originals, task.folder)
    if gallery is not None:
        RunOutputs.of(task.folder).write_grid(gallery.grid)
    return gallery


def _draw_what_is_there(task: Task, originals: Originals, rows: int, run_log: RunLog) -> None:
    """After an exception."""
    try:
        _draw(task, originals, rows)
        run_log.flush()
    except (UnmaskError, OSError) as error:
        logger.error("The run directory could not be updated: %s", error)


def _tell(result: EvaluationResult) -> None:
    if result.grown:
        logger.info(
            "The face mask reached beyond its map in %d of %d pictures, and was filled there too (\"grown\" in "
            "metrics.json; occlusion.grow=false leaves it)", len(result.grown), result.n,
        )  # fmt: skip
    for failure in result.failures:
        logger.warning("Not finished: %s: %s", failure.id, failure.reason)
