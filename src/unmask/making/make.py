"""A method makes its pictures: a callable in, files out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from unmask.config import JoinConfig
from unmask.faces import Faces, Reconstruction, none_usable
from unmask.making.emerging import EmergingPictures
from unmask.making.outputs import RunOutputs
from unmask.making.part import Part, together
from unmask.making.watch import log_mean_curves
from unmask.making.worker import DecodedBatches, Worker, peak_memory_mb
from unmask.processes import Processes
from unmask.results.summary import EvaluationResult, RunInfo, summarise
from unmask.runlog import RunLog
from unmask.terminal import progress_bar

logger = logging.getLogger(__name__)

Batches = Callable[[Sequence[str]], DecodedBatches]
"""Called with ids for batches of these pictures, in this order."""


@dataclass(frozen=True)
class Task:
    """What is to be made, and where.

    Attributes:
        ids: the pictures, distinct and in the same order in all processes.
        batches: gives the pictures to unmask.
        occlusion: how the composite is joined (feather, blend).
        run: names and settings to write down.
        folder: the run directory.
        bootstrap_samples: for the intervals of a report.
        curves: so many pictures have loss curves of their own.
        trained_steps: steps of the training that made the method, after which the pictures' last frames stand; see
            `unmask.making.emerging`.
        on_finished: called with each finished picture, a batch of one, before it counts as finished.
    """

    ids: Sequence[str]
    batches: Batches
    occlusion: JoinConfig
    run: RunInfo
    folder: Path
    bootstrap_samples: int
    curves: int = 0
    trained_steps: int = 0
    on_finished: Callable[[Faces, Reconstruction], None] | None = None

    def result(self, part: Part, *, complete: bool) -> EvaluationResult:
        """The means over `part`."""
        return summarise(
            self.run,
            part.records,
            (*part.failures, *part.undecodable),
            complete=complete,
            bootstrap_samples=self.bootstrap_samples,
            peak_memory_mb=part.peak_memory_mb,
            seconds_compiling=part.seconds_compiling,
        )


@dataclass(frozen=True)
class Made:
    """What was made, as this process knows it.

    Attributes:
        outputs: the files.
        whole: of all processes; None in all but the first.
    """

    outputs: RunOutputs
    whole: Part | None


def make(
    unmask: Callable[..., Reconstruction],
    task: Task,
    *,
    emerging: EmergingPictures,
    run_log: RunLog,
    processes: Processes,
    progress: bool = False,
) -> Made:
    """Unmask and composite every picture, and write the run directory as pictures finish.

    What was interrupted in the same folder with the same ``task.run.config_hash`` goes on where it stopped; with
    another hash it starts over. On any exception (Ctrl-C and a full disk among them) what is finished stays,
    metrics.json says "incomplete", and the exception goes on its way.

    Several processes divide among them what is not finished yet. The first alone writes what there is one of; the
    results do not depend on how many there are.

    Args:
        unmask: called as ``unmask(faces, on_step=callback)``; see `unmask.methods.base.Method.unmask`.
        emerging: shows the first pictures while they are made.
        run_log: where curves and pictures go; not closed here.
        processes: who works, and the device on which `unmask` is given its pictures.
        progress: show a progress bar, of the work of all processes.
    Raises:
        UnmaskError: a file cannot be written, or no picture can be decoded.
    """
    earlier = Part()
    if processes.first:
        outputs = RunOutputs.open(task.folder, task.run.config_hash)
        earlier = Part(outputs.finished(), peak_memory_mb=peak_memory_mb(processes.device))
        if earlier.records:
            logger.info("Resuming: %d pictures are finished in %s.", len(earlier.records), task.folder)
        outputs.write_summary(task.result(earlier, complete=False).to_json())
    finished = frozenset(processes.broadcast([record.id for record in earlier.records]))
    if not processes.first:
        outputs = RunOutputs.join(task.folder, task.run.config_hash, processes.rank)

    with progress_bar("unmasking", len(task.ids), enabled=progress) as show:
        worker = Worker(
            unmask,
            task.batches(processes.share([id for id in task.ids if id not in finished])),
            occlusion=task.occlusion,
            outputs=outputs,
            processes=processes,
            run_log=run_log,
            curves=task.curves,
            emerging=emerging,
            on_finished=task.on_finished,
            trained_steps=task.trained_steps,
            on_note=lambda note: show(len(finished) + processes.done, note),
        )
        try:
            worker.work()
            parts = processes.gather(
                worker.part.to_json(),
                meanwhile=lambda: show(len(finished) + processes.done, "waiting for the other processes"),
            )
            if not processes.first:
                return Made(outputs, None)
            whole = together([earlier, *map(Part.from_json, parts)], task.ids)
            if len(whole.undecodable) == len(task.ids):
                raise none_usable(whole.undecodable)
            outputs.write_table(whole.records)
        except BaseException as error:
            if processes.first:
                processes.stop_others(error)
                part = together([replace(worker.part, records=outputs.finished())], task.ids)
                outputs.leave_incomplete(task.result(part, complete=False))
            raise
    log_mean_curves(whole.curves, run_log)
    return Made(outputs, whole)
