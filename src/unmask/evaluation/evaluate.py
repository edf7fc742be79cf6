"""The one evaluation of all methods: a callable in, files and numbers out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import yaml
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from unmask.columns import hparam_columns
from unmask.config import EvaluationConfig, OcclusionConfig
from unmask.errors import UnmaskError
from unmask.evaluation.gallery import Gallery, make_gallery
from unmask.evaluation.outputs import RunOutputs
from unmask.evaluation.part import Part, together
from unmask.evaluation.share import DecodedBatches, Share, peak_memory_mb
from unmask.evaluation.watch import log_mean_curves
from unmask.faces import Faces, Reconstruction, none_usable
from unmask.images import from_uint8
from unmask.processes import Processes
from unmask.results.summary import EvaluationResult, RunInfo, summarise
from unmask.runlog import RunLog

logger = logging.getLogger(__name__)

FIRST_GROUPS = ("hole", "identity", "expression", "whole")
"""Groups of metrics that TensorBoard's table begins with."""
Batches = Callable[[Sequence[str]], DecodedBatches]
"""Called with ids for batches of these pictures, in this order."""


def evaluate(
    unmask: Callable[..., Reconstruction],
    ids: Sequence[str],
    batches: Batches,
    *,
    config: EvaluationConfig,
    occlusion: OcclusionConfig,
    run: RunInfo,
    run_log: RunLog,
    output_dir: Path,
    processes: Processes,
    on_finished: Callable[[Faces, Reconstruction], None] | None = None,
    trained_steps: int = 0,
    progress: bool = False,
) -> EvaluationResult | None:
    """Unmask every picture, composite, measure, and write the run directory as pictures finish.

    An evaluation that was interrupted in the same `output_dir` with the same ``run.config_hash`` goes on
    where it stopped; with another hash it starts over. On any exception (Ctrl-C and a full disk among them)
    what is finished stays, metrics.json says "incomplete", and the exception goes on its way.

    Several processes divide among them what is not finished yet. The first gathers the numbers, and alone writes what
    there is one of; the results do not depend on how many there are.

    Args:
        unmask: called as ``unmask(faces, on_step=callback)``; see `unmask.methods.base.Method.unmask`.
        ids: the pictures, distinct and in the same order in all processes.
        batches: gives the pictures to unmask.
        config: which metrics and reports.
        occlusion: how the composite is joined (feather, blend).
        run: names and settings to write down.
        run_log: where curves and pictures go; not closed here.
        output_dir: the run directory.
        processes: who evaluates, and the device on which `unmask` is given its pictures.
        on_finished: called with each finished picture, a batch of one, before it counts as finished.
        trained_steps: steps of the training that made the method, after which the pictures' last frames stand; see
            `unmask.evaluation.emerging`.
        progress: show a progress bar, of the work of all processes.
    Returns:
        The result; None in all processes but the first.
    Raises:
        UnmaskError: a file cannot be written, no picture can be decoded, or weights that a metric needs cannot be had.
    """

    def result(part: Part, *, complete: bool) -> EvaluationResult:
        return summarise(
            run,
            part.records,
            (*part.failures, *part.undecodable),
            complete=complete,
            bootstrap_samples=config.bootstrap_samples,
            peak_memory_mb=part.peak_memory_mb,
            seconds_compiling=part.seconds_compiling,
        )

    earlier = Part()
    if processes.first:
        outputs = RunOutputs.open(output_dir, run.config_hash)
        earlier = Part(outputs.finished(), peak_memory_mb=peak_memory_mb(processes.device))
        if earlier.records:
            logger.info("Resuming: %d pictures are finished in %s.", len(earlier.records), output_dir)
        outputs.write_summary(result(earlier, complete=False).to_json())
    finished = frozenset(processes.broadcast([record.id for record in earlier.records]))
    if not processes.first:
        outputs = RunOutputs.join(output_dir, run.config_hash, processes.rank)

    bar = Progress(
        TextColumn("unmasking"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        disable=not progress,
    )
    task = bar.add_task("unmasking", total=len(ids), completed=len(finished), note="")

    def show(note: str) -> None:
        bar.update(task, completed=len(finished) + processes.done, note=note)

    share = Share(
        unmask,
        batches(processes.share([id for id in ids if id not in finished])),
        config=config,
        occlusion=occlusion,
        outputs=outputs,
        processes=processes,
        run_log=run_log,
        on_finished=on_finished,
        trained_steps=trained_steps,
        on_note=show,
    )

    def draw(part: Part) -> Gallery | None:
        gallery = make_gallery(part.records[: config.grid_rows], batches, outputs)
        if gallery is not None:
            outputs.write_grid(gallery.grid)
        return gallery

    def write_incomplete() -> None:
        part = together([replace(share.part, records=outputs.finished())], ids)
        outputs.write_summary(result(part, complete=False).to_json())
        outputs.bring_together(part.records)
        draw(part)
        run_log.flush()

    try:
        with bar:
            share.work()
            parts = processes.gather(share.part.to_json(), meanwhile=lambda: show("waiting for the other processes"))
        if not processes.first:
            return None
        whole = together([earlier, *map(Part.from_json, parts)], ids)
        if len(whole.undecodable) == len(ids):
            raise none_usable(whole.undecodable)
        outputs.bring_together(whole.records)
        log_mean_curves(whole.curves, run_log)
        final = result(whole, complete=True)
        if final.grown:
            logger.info(
                "The face mask reached beyond its map in %d of %d pictures, and was filled there too (\"grown\" in "
                "metrics.json; occlusion.grow=false leaves it)", len(final.grown), final.n,
            )  # fmt: skip
        _report(final, draw(whole), whole.steps, run_log)
        outputs.write_summary(final.to_json())
    except BaseException as error:
        # Ctrl-C included: whatever happened, leave a directory that says what is in it
        if processes.first:
            processes.stop_others(error)
            _leave_incomplete(write_incomplete)
        raise
    for failure in final.failures:
        logger.warning("Not finished: %s: %s", failure.id, failure.reason)
    return final


def _report(result: EvaluationResult, gallery: Gallery | None, steps: int, run_log: RunLog) -> None:
    """TensorBoard's summary of a finished evaluation; a method of no steps has none in the table."""
    if gallery is not None:
        run_log.image("pictures/grid", from_uint8(gallery.grid), 0)
        for id, strip in gallery.strips.items():
            run_log.image(f"pictures/samples/{id}", from_uint8(strip), 0)
    means = {name: summary.mean for name, summary in result.metrics.items()}
    run = result.run
    columns = hparam_columns(run.settings, run.asked, method=run.method, steps=steps or None)
    shown = {name: means[name] for name in sorted(means, key=_place)}
    run_log.hparams(columns, shown | {"seconds_per_image": result.seconds_per_image})
    run_log.text("config", f"```yaml\n{yaml.safe_dump(dict(run.settings), sort_keys=False)}```")
    run_log.flush()


def _place(metric: str) -> int:
    """Of a metric's group in TensorBoard's table, which opens with the first few."""
    group = metric.partition("/")[0]
    return FIRST_GROUPS.index(group) if group in FIRST_GROUPS else len(FIRST_GROUPS)


def _leave_incomplete(write: Callable[[], None]) -> None:
    """Write what can be written; on a full disk metrics.json says "incomplete" already, from the start."""
    try:
        write()
    except (UnmaskError, OSError) as error:
        logger.error("The run directory could not be updated: %s", error)
