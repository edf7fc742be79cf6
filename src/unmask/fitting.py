"""From settings to a trained method: what is learnt from, what it is validated on, and the loop."""

from __future__ import annotations

import logging
from collections.abc import Generator
from dataclasses import asdict, replace
from pathlib import Path
from typing import cast

import torch
from omegaconf import OmegaConf

from unmask import data, evaluation
from unmask.config import Checkpoint, DataConfig, RunConfig, Split, TrainedMethodConfig
from unmask.evaluation.metrics import hole_scores
from unmask.faces import TrainingBatch
from unmask.files import write_json
from unmask.making.emerging import FOLLOWED, EmergingPictures, Frames, percent
from unmask.making.watch import log_mean_curves
from unmask.methods.checkpoints import FOLDER, load_generator
from unmask.methods.trained import TrainedMethod, check_size
from unmask.precision import resolve_precision
from unmask.processes import Processes
from unmask.results.catalogue import check_metric
from unmask.runlog import RunLog
from unmask.training import Emergence, Onlookers, TrainingPlace, TrainingPlan, TrainingReport, fit
from unmask.training.schedule import TrainingSchedule

log = logging.getLogger(__name__)


def needs_training(settings: RunConfig) -> bool:
    """Whether the run has to train its method before it can evaluate it."""
    return isinstance(settings.method, TrainedMethodConfig) and settings.method.checkpoint is None


def evaluated_data(settings: RunConfig) -> DataConfig:
    """`data` with the split decided: auto is all pictures, but for a method that learns from these pairs, or did in the
    run that `method.checkpoint` names, the test part."""
    if settings.data.split is not Split.auto:
        return settings.data
    learns = (needs_training(settings) and settings.training.root is None) or learnt_from(settings)
    return replace(settings.data, split=Split.test if learns else Split.all)


def learnt_from(settings: RunConfig) -> bool:
    """Whether `method.checkpoint` is the directory of a run that was trained on the pairs of `data`."""
    config = settings.method
    if not isinstance(config, TrainedMethodConfig) or config.checkpoint is None:
        return False
    path = Path(config.checkpoint).expanduser() / "config.yaml"
    if not path.is_file():
        return False
    earlier = OmegaConf.load(path)
    places = [OmegaConf.select(earlier, key) for key in ("training.root", "data.root", "data.manifest")]
    return places == [None, settings.data.root, settings.data.manifest]


def train(
    method: TrainedMethod,
    settings: RunConfig,
    processes: Processes,
    *,
    evaluated: data.FacesDataset,
    run_dir: Path,
    run_log: RunLog,
) -> TrainingReport:
    """Train `method`, or go on training it, and give it, in all processes, the weights that `training.keep` names.

    Args:
        evaluated: pictures that are never trained on, unless `data.split` is train; the first of them are shown as
            they emerge.
    Raises:
        UnmaskError: nothing to train on, settings that do not fit, or a training that diverged.
    """
    config, training = cast("TrainedMethodConfig", settings.method), settings.training
    check_metric(training.monitor, "training.monitor")
    exclude = frozenset() if settings.data.split is Split.train else frozenset(evaluated.ids)
    fabric = processes.fabric()
    progress = settings.progress and processes.first
    of_run = (settings.data, settings.occlusion, training)
    source = data.training_source(*of_run, exclude=exclude, progress=progress)
    log.info("Training on: %s", source.report.summary())
    augmentation = data.Augmentation.of(training, settings.data.resolution)
    check_size(augmentation.crop, method.stride, "training.crop")
    shown = data.validation_dataset(*of_run, exclude=exclude, progress=progress)
    if not len(shown):
        log.info("No validation, since the val part is empty; the last weights count as the best.")

    def validate(step: int) -> float:
        return evaluation.validate(
            lambda faces: method.unmask(faces.to(fabric.device)),
            data.batches(shown, 1),
            occlusion=settings.occlusion,
            monitor=training.monitor,
            run_log=run_log,
            step=step,
        )

    emerging = EmergingPictures(run_log, settings.occlusion, Frames.of(settings.evaluation), hole_scores)

    def show(taken: int) -> None:
        for faces in data.batches(evaluated, 1, ids=evaluated.ids[:FOLLOWED]):
            emerging.begin(faces)
            emerging.show(faces.ids[0], method.unmask(faces.to(fabric.device)).raw[0], taken, schedule.steps)
        way = percent(taken, schedule.steps)
        log_mean_curves({at: sums for at, sums in emerging.curves.items() if at[1] == way}, run_log)

    def batches(start_step: int) -> Generator[TrainingBatch, None, None]:
        return data.training_batches(
            source,
            pairing=method.pairing,
            augmentation=augmentation,
            batch_size=training.batch_size,
            seed=settings.seed,
            start_step=start_step,
            rank=fabric.global_rank,
            world=fabric.world_size,
            num_workers=training.num_workers,
            strict=settings.data.strict,
        )

    precision = resolve_precision(training.precision, fabric.device, "training.precision")
    length = data.epoch_length(source, method.pairing)
    schedule = TrainingSchedule(training, data.steps_per_epoch(length, training.batch_size))
    log.info(
        "%d steps of %d pictures, %.1f epochs of %d, in %s.",
        schedule.steps,
        training.batch_size,
        schedule.steps / schedule.steps_per_epoch,
        length,
        precision,
    )
    facts = {
        "faces": len(source.ids),
        "crop": augmentation.crop,
        "batch_size": training.batch_size,
        "seed": settings.seed,
        "precision": precision,
    }
    report = fit(
        method,
        batches,
        TrainingPlan(schedule, config.name, settings.seed, facts),
        TrainingPlace(fabric, run_dir, run_log, progress),
        Onlookers(validate if len(shown) else None, Emergence(emerging.frames.due, show)),
    )
    kept = run_dir / FOLDER / f"{training.keep.value}.safetensors"
    fabric.barrier()  # the first process has written it
    load_generator(method.generator, str(kept), config)  # all of them evaluate
    if processes.first:
        about = {**asdict(report), "monitor": training.monitor, "precision": precision, "faces": len(source.ids)}
        write_json(run_dir / "training.json", about)
        log.info("%s", summary(report, training.keep, kept))
    method.to(fabric.device, torch.float32)
    return report


def summary(report: TrainingReport, keep: Checkpoint, path: Path) -> str:
    """The end of a training in a line."""
    speed = "" if report.pictures_per_second is None else f", {report.pictures_per_second:.1f} pictures/s"
    best = "" if report.best_step is None else f"; best at step {report.best_step}"
    return (
        f"Trained {report.steps} steps in {report.seconds / 60:.1f} min{speed}{best}. Evaluating {keep.value}: {path}"
    )
