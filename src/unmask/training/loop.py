"""Training from the first step to the last, resumable at any."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.optim import Optimizer

from unmask.compilation import CLOCK, COMPILING, compile_network, compiler_works
from unmask.errors import UnmaskError
from unmask.faces import TrainingBatch
from unmask.methods.checkpoints import FOLDER, save_generator
from unmask.methods.trained import TrainedMethod, evaluating
from unmask.runlog import RunLog
from unmask.seeds import step_seed
from unmask.terminal import counting_bar
from unmask.training import state
from unmask.training.averaging import average_of, averaged
from unmask.training.interrupt import DeferredInterrupt
from unmask.training.schedule import TrainingSchedule
from unmask.training.update import Updater, make_optimisers, set_rate

if TYPE_CHECKING:
    from lightning_fabric import Fabric

log = logging.getLogger(__name__)

Validate = Callable[[int], float]
"""``validate(step)``: how good the method is now, the larger the better; called in evaluation mode."""


@dataclass(frozen=True)
class Emergence:
    """Pictures shown as they emerge.

    Attributes:
        due: ``due(taken, total)``: whether to show them after that many steps.
        show: ``show(taken)``; called in evaluation mode, in the first process. It may not draw random numbers.
    """

    due: Callable[[int, int], bool]
    show: Callable[[int], None]


@dataclass(frozen=True)
class TrainingPlan:
    """What a training is to be.

    Attributes:
        schedule: settings, length and learning rates.
        name: the method's, written into the files of weights.
        seed: everything random in a step derives from it.
        facts: about the training, written into the files of weights as JSON.
    """

    schedule: TrainingSchedule
    name: str
    seed: int
    facts: Mapping[str, object]


@dataclass(frozen=True)
class TrainingPlace:
    """Where a training runs and what it leaves there.

    Attributes:
        fabric: devices, precision and processes.
        run_dir: weights and states go into its folder checkpoints.
        run_log: takes curves.
        progress: show a progress bar.
    """

    fabric: Fabric
    run_dir: Path
    run_log: RunLog
    progress: bool


@dataclass(frozen=True)
class Onlookers:
    """What looks at the method on the way, and changes nothing of it.

    Attributes:
        validate: None for no validation; then the best weights are the last.
        emergence: what to show.
    """

    validate: Validate | None
    emergence: Emergence


@dataclass(frozen=True)
class TrainingReport:
    """How a training ended.

    Attributes:
        steps: taken in all, those of earlier starts included.
        seconds: spent on steps, validation and checkpoints, those of earlier starts included.
        pictures_per_second: over all processes, of steps alone, in this start; None where nothing was left to do.
        best_step: after how many steps the best validation was; None without validation.
        best_score: that validation's, the larger the better.
    """

    steps: int
    seconds: float
    pictures_per_second: float | None
    best_step: int | None
    best_score: float | None


def fit(
    method: TrainedMethod,
    batches: Callable[[int], Generator[TrainingBatch, None, None]],
    plan: TrainingPlan,
    place: TrainingPlace,
    onlookers: Onlookers,
) -> TrainingReport:
    """Train `method` in place, and leave best.safetensors, last.safetensors and training.pt in run_dir/checkpoints.

    Resuming is exact: everything random in a step derives from seed, step and rank, the rest is in training.pt. On a
    CPU the weights come out the same to the bit, however often the training was killed; kernels of a GPU may add in
    another order from run to run.

    Args:
        batches: called with a 0-based step for this process's batches from there on, without end.
    Raises:
        UnmaskError: a loss is not finite any more, or training.pt cannot be resumed from.
        KeyboardInterrupt: after the step is finished and a checkpoint is written.
    """
    schedule, fabric, run_log, validate = plan.schedule, place.fabric, place.run_log, onlookers.validate
    config, folder = schedule.config, place.run_dir / FOLDER
    dtype = torch.float64 if config.precision == "64-true" else torch.float32
    # channels_last is what convolutions compute in, on CPUs as on GPUs
    method.to(fabric.device, dtype).to(memory_format=torch.channels_last)
    networks = method.networks()
    optimisers = make_optimisers(networks, config, fabric.device)
    average = average_of(method.generator, config.ema_decay)
    update = Updater(fabric, networks, optimisers, config.clip_gradients)
    keeper = _Keeper(fabric, folder, method, optimisers, plan)

    step, best, seconds = 0, _Best(None, None), 0.0
    if (folder / state.NAME).is_file():
        saved = state.restore(folder / state.NAME, fabric, method=method, optimisers=optimisers, average=average)
        step, best, seconds = saved["step"], _Best(saved["best_step"], saved["best_score"]), saved["seconds"]
        log.info("Resuming after step %d of %d.", step, schedule.steps)
    if step >= schedule.steps:
        return TrainingReport(step, seconds, None, best.step, best.score)
    if config.compile and compiler_works("training.compile=false"):
        for network in (network for group in networks.values() for network in group):
            compile_network(network)

    bar = counting_bar(shown=place.progress and fabric.is_global_zero)
    task = bar.add_task("training", total=schedule.steps, completed=step, note="")

    def compiling() -> None:
        bar.update(task, note=COMPILING)

    meter = _Meter(config.batch_size)

    def emerge(taken: int) -> None:
        if fabric.is_global_zero and onlookers.emergence.due(taken, schedule.steps):
            with averaged(method.generator, average), evaluating(method):
                onlookers.emergence.show(taken)
            meter.pause()

    if step == 0:
        emerge(0)
    method.train()
    with bar, DeferredInterrupt() as interrupt, closing(batches(step)) as stream, CLOCK.reporting_to(compiling):
        while step < schedule.steps:
            rate = schedule.learning_rate(step)
            set_rate(optimisers, rate)
            batch = next(stream).to(fabric.device)
            torch.manual_seed(step_seed(plan.seed, step, fabric.global_rank))
            with fabric.autocast():
                losses = method.training_step(_convert(batch, dtype), update)
            if average is not None:
                average.update_parameters(method.generator)
            step += 1
            meter.add(losses)
            bar.update(task, completed=step)
            emerge(step)

            stop = _any(fabric, interrupt.asked)
            last = stop or step == schedule.steps
            due = step % config.checkpoint_every == 0 or last
            if step % config.log_every == 0 or due:
                means = meter.read(fabric)
                _check_finite(means, step, folder)
                _log(run_log, means, rate, meter.rate, step)
                bar.update(task, note=_note(means, meter.rate))
            if validate is not None and not stop and (step % config.validate_every == 0 or step == schedule.steps):
                with averaged(method.generator, average), evaluating(method):
                    score = validate(step) if fabric.is_global_zero else -math.inf
                    score = fabric.broadcast(score)
                    if best.score is None or score > best.score:
                        best = _Best(step, score)
                        keeper.keep("best", step)
                meter.pause()
            if due:
                with averaged(method.generator, average):
                    keeper.keep("last", step)
                    if validate is None:
                        keeper.keep("best", step)
                spent = seconds + meter.elapsed
                keeper.save(average, {"step": step, "best_step": best.step, "best_score": best.score, "seconds": spent})
                run_log.flush()
                meter.pause()
            if stop:
                raise KeyboardInterrupt
    return TrainingReport(step, seconds + meter.elapsed, meter.overall_rate, best.step, best.score)


@dataclass(frozen=True)
class _Best:
    step: int | None
    score: float | None


@dataclass(frozen=True)
class _Keeper:
    """Writes weights and states."""

    fabric: Fabric
    folder: Path
    method: TrainedMethod
    optimisers: Mapping[str, Optimizer]
    plan: TrainingPlan

    def keep(self, kind: str, step: int) -> None:
        """The generator as it is now, as KIND.safetensors."""
        if self.fabric.is_global_zero:
            path = self.folder / f"{kind}.safetensors"
            facts = {**self.plan.facts, "step": step}
            save_generator(self.method.generator, path, method=self.plan.name, facts=facts)

    def save(self, average: torch.optim.swa_utils.AveragedModel | None, progress: Mapping[str, object]) -> None:
        """What a resumed training needs."""
        state.save(
            self.folder / state.NAME,
            self.fabric,
            method=self.method,
            optimisers=self.optimisers,
            average=average,
            progress=progress,
        )


class _Meter:
    """Mean losses over steps and processes since they were last read, and speed without validation and checkpoints."""

    def __init__(self, batch_size: int) -> None:
        self.rate = 0.0
        self._batch_size = batch_size
        self._sums: dict[str, Tensor] = {}
        self._count = 0
        self._began = self._resumed = time.perf_counter()
        self._stepping = 0.0
        self._steps = 0
        self._first = 0.0

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._began

    @property
    def overall_rate(self) -> float | None:
        """Pictures a second over all steps but the first, which compiles or warms up."""
        if self._steps < 2:
            return None
        return (self._steps - 1) * self._batch_size / max(self._stepping - self._first, 1e-9)

    def add(self, losses: Mapping[str, Tensor]) -> None:
        for name, loss in losses.items():
            self._sums[name] = self._sums[name] + loss if name in self._sums else loss
        self._count += 1
        now = time.perf_counter()
        self._stepping += now - self._resumed
        self._resumed = now
        self._steps += 1
        if self._steps == 1:
            self._first = self._stepping

    def read(self, fabric: Fabric) -> dict[str, float]:
        total = fabric.all_reduce(torch.stack(list(self._sums.values())), reduce_op="mean")
        assert isinstance(total, Tensor)
        means = dict(zip(self._sums, (total / self._count).tolist(), strict=True))
        self._sums, self._count = {}, 0
        self.rate = self.overall_rate or 0.0
        return means

    def pause(self) -> None:
        """What happened since the last step was not a step's."""
        self._resumed = time.perf_counter()


def _convert(batch: TrainingBatch, dtype: torch.dtype) -> TrainingBatch:
    if dtype is torch.float32:
        return batch
    return TrainingBatch(
        batch.masked_ids, batch.clean_ids, batch.masked.to(dtype), batch.hole.to(dtype), batch.clean.to(dtype)
    )


def _any(fabric: Fabric, value: bool) -> bool:
    """Whether it is true in any process, so that all of them stop after the same step."""
    if fabric.world_size == 1:
        return value
    found = fabric.all_reduce(torch.tensor(float(value), device=fabric.device), reduce_op="sum")
    assert isinstance(found, Tensor)
    return bool(found > 0)


def _check_finite(means: Mapping[str, float], step: int, folder: Path) -> None:
    bad = [name for name, value in means.items() if not math.isfinite(value)]
    if bad:
        raise UnmaskError(
            f"The training diverged: {', '.join(bad)} is not finite before step {step}. Lower training.lr, set "
            f"training.clip_gradients, or use training.precision=32-true; {folder} keeps the last good state."
        )


def _log(run_log: RunLog, means: Mapping[str, float], rate: float, speed: float, step: int) -> None:
    for loss, value in means.items():
        run_log.scalar(f"objective/{loss}", value, step)
    run_log.scalar("training/learning_rate", rate, step)
    run_log.scalar("training/pictures_per_second", speed, step)


def _note(means: Mapping[str, float], rate: float) -> str:
    losses = "  ".join(f"{name} {value:.3g}" for name, value in means.items())
    return f"{rate:.1f} pictures/s  {losses}"
