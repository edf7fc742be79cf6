"""The command: compose the configuration, read the data, build the method, train it if it learns, evaluate it, report.

``python -m unmask.run method=stylegan_proj`` writes everything into one directory below ./outputs; with
``hydra.run.dir=DIR`` an interrupted run goes on where it stopped.

Exit codes: 0 done; 1 an error of the program, a key or value that does not exist, or an unfinished job of a
multirun; 2 anything else the user can mend; 130 interrupted.
"""

from __future__ import annotations

import logging
import math
import random
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import hydra
import numpy as np
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from rich import get_console

from unmask import data, evaluation
from unmask.building import build_method, pick_device, typed
from unmask.claim import InUseError, claimed
from unmask.config import RunConfig, StyleGANProjConfig, register
from unmask.config_dir import config_dir
from unmask.data import PairedDataset
from unmask.environment import write_environment
from unmask.errors import UnmaskError
from unmask.every_option import path_places
from unmask.files import write_text
from unmask.fingerprint import config_hash, differences, reporting
from unmask.fitting import evaluated_data, needs_training, train
from unmask.making.make import Task
from unmask.methods.checkpoints import FOLDER, PRETRAINED
from unmask.methods.trained import TrainedMethod
from unmask.mistakes import explain
from unmask.options import Place
from unmask.photos.pasting import paste_back
from unmask.processes import Processes, start_processes
from unmask.results.layout import finished_ids, forget_failure, is_complete, read_report, record_failure
from unmask.results.summary import EvaluationResult, RunInfo
from unmask.results.table import terminal_table
from unmask.runlog import NullRunLog, TensorBoardLog
from unmask.shared import Shared
from unmask.shell import check_overrides, command, override
from unmask.sweep.jobs import objective_of
from unmask.sweep.naming import register_resolvers
from unmask.terminal import leave, steady_streams
from unmask.weights.url import is_url

log = logging.getLogger("unmask.run")

SHARED = Shared()
"""The jobs of a sweep run in one process, one after the other, with the same networks."""


def run(config: DictConfig, run_dir: Path, started_in: Path, asked: Sequence[str] = ()) -> None:
    """One run, from its composed configuration to the files in `run_dir`, in one process or several.

    Args:
        asked: the overrides that `config` was composed with, to be shown.
        started_in: the folder in which the command was given; relative paths are relative to it.

    Raises:
        UnmaskError: something the user can mend.
    """
    config = with_absolute_paths(config, started_in)
    settings = typed(config)
    precision = settings.training.precision if needs_training(settings) else "32-true"
    device = pick_device(settings.device)
    started = start_processes(settings.devices, settings.num_nodes, device, run_dir, precision=precision)
    with started as processes, claimed(run_dir, wait=settings.wait) if processes.first else nullcontext():
        forget_failure(run_dir)
        work(config, settings, processes, run_dir, asked)


def work(
    config: DictConfig, settings: RunConfig, processes: Processes, run_dir: Path, asked: Sequence[str] = ()
) -> None:
    """What each of the processes does, together with the others; the first has claimed `run_dir`.

    Raises:
        UnmaskError: something the user can mend.
    """
    fingerprint = config_hash(config)
    reported = processes.broadcast(begin(run_dir, config) if processes.first else None)
    if not processes.first:
        for name in ("", "unmask"):
            logging.getLogger(name).setLevel(logging.WARNING)  # one process tells the story
    if reported and is_complete(run_dir, fingerprint):
        log.info("%s is already complete; nothing to do", run_dir)
        if processes.first:
            show(EvaluationResult.from_json(read_report(run_dir)), run_dir)
        return

    seed_everything(settings.seed)
    if processes.first:
        write_environment(run_dir / "environment.json", processes.device)

    dataset = data.load_dataset(evaluated_data(settings), settings.occlusion)
    log.info("%s", dataset.report.summary())
    if dataset.references is not None and processes.first:
        for note in dataset.references.missing(dataset.ids):
            log.warning("%s", note)

    method = build_method(
        with_full_renders(settings),
        processes.device,
        batches_to_come(dataset.ids, settings, processes, run_dir),
        SHARED,
    )
    log.info("%s on %s, %d px", settings.method.name, processes.device, settings.data.resolution)

    plain = cast("dict[str, Any]", OmegaConf.to_container(config, resolve=True, enum_to_str=True))
    size, seed = settings.data.resolution, settings.seed
    about = RunInfo(settings.method.name, seed, fingerprint, size, plain, tuple(asked))
    with TensorBoardLog(run_dir) if processes.first else NullRunLog() as run_log:
        trained = 0
        if needs_training(settings):
            assert isinstance(method, TrainedMethod)
            trained = train(method, settings, processes, evaluated=dataset, run_dir=run_dir, run_log=run_log).steps
        result = evaluation.evaluate(
            method.unmask,
            task_of(settings, dataset, about, run_dir, trained_steps=trained),
            lambda ids: data.originals(dataset, ids, settings.data.num_workers),
            config=settings.evaluation,
            run_log=run_log,
            processes=processes,
            progress=settings.progress and processes.first,
        )
    if result is not None:
        show(result, run_dir)


def task_of(settings: RunConfig, dataset: PairedDataset, about: RunInfo, run_dir: Path, *, trained_steps: int) -> Task:
    """What is to be made of the pictures of `dataset`, by a method that was trained for `trained_steps`."""
    batch, workers = settings.data.batch_size, settings.data.num_workers
    return Task(
        ids=dataset.ids,
        batches=lambda ids: data.batches(dataset, batch, workers, ids),
        occlusion=settings.occlusion,
        run=about,
        folder=run_dir,
        bootstrap_samples=settings.evaluation.bootstrap_samples,
        curves=settings.evaluation.grid_rows,
        trained_steps=trained_steps,
        on_finished=paste_back(dataset, settings.occlusion, run_dir) if settings.data.align else None,
    )


def show(result: EvaluationResult, run_dir: Path) -> None:
    """The metrics table and where the pictures are, on the terminal."""
    get_console().print(terminal_table([result]))
    get_console().print(f"Input, raw, composite, clean side by side: {run_dir / 'grid.png'}", soft_wrap=True)


def with_full_renders(settings: RunConfig) -> RunConfig:
    """With `data.align` the renders are pasted into photos, where faces may be of any size."""
    method = settings.method
    if not settings.data.align or not isinstance(method, StyleGANProjConfig):
        return settings
    return replace(settings, method=replace(method, render_full=True))


def with_absolute_paths(config: DictConfig, started_in: Path) -> DictConfig:
    """The same with the paths made absolute that are relative to `started_in`, where the command was given."""
    typed(config)  # a value that is missing or cannot be resolved is told there
    config = config.copy()
    for key, place in path_places().items():
        named = OmegaConf.select(config, key) if place is Place.here else None
        if isinstance(named, str) and named != PRETRAINED and not is_url(named):
            OmegaConf.update(config, key, str(started_in / Path(named).expanduser()))
    return config


def begin(run_dir: Path, config: DictConfig) -> bool:
    """Write config.yaml into `run_dir`, or agree with the one that is there.

    Returns:
        whether a report that is there was made with these settings of the report.

    Raises:
        UnmaskError: the directory belongs to a run with another configuration.
    """
    path = run_dir / "config.yaml"
    reported = False
    if path.is_file():
        earlier = OmegaConf.load(path)
        assert isinstance(earlier, DictConfig)
        changes = differences(earlier, config)
        if changes:
            raise UnmaskError(
                f"{run_dir} holds a run with another configuration ({'; '.join(changes)}). "
                "Choose another hydra.run.dir, or remove that directory."
            )
        reported = reporting(earlier) == reporting(config)
    write_text(path, OmegaConf.to_yaml(config, resolve=True))
    return reported


def seed_everything(seed: int) -> None:
    """Seed every generator of random numbers that some library may use behind our back."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - the legacy generator is the one that libraries use
    torch.manual_seed(seed)


def batches_to_come(ids: Sequence[str], settings: RunConfig, processes: Processes, run_dir: Path) -> int:
    """How many batches of pictures that are not finished yet each of the processes has before it."""
    left = len(set(ids) - finished_ids(run_dir))
    return math.ceil(left / (settings.data.batch_size * processes.count))


def job(config: DictConfig) -> float | None:
    """`run` as Hydra calls it: in its directory, with the user's mistakes told in one line.

    In a multirun an error is written down and the other jobs go on.

    Returns:
        The mean of the metric `evaluation.objective`, for sweepers that choose the next job by it; None where there is
        none, or the job failed.

    Raises:
        SystemExit: see the module's exit codes.
    """
    hydra_config = HydraConfig.get()
    run_dir = Path(hydra_config.runtime.output_dir)
    in_sweep = hydra_config.mode == RunMode.MULTIRUN
    steady_streams()
    try:
        run(config, run_dir, Path(hydra_config.runtime.cwd), hydra_config.overrides.task)
    except KeyboardInterrupt:
        log.debug("interrupted", exc_info=True)
        leave(130, f"Interrupted. {kept(run_dir, in_sweep)}")
    except Exception as error:
        message = explain(error, run_dir)
        log.debug("%s", error, exc_info=True)  # run.log has the traceback, the terminal only the message
        if in_sweep:
            reason = message or f"{type(error).__name__}: {error} (traceback in {run_dir / 'run.log'})"
            if not isinstance(error, InUseError):
                record_failure(run_dir, reason)
            log.error("%s", reason)
        elif message:
            leave(2, message if isinstance(error, UnmaskError) else f"{message} {kept(run_dir, in_sweep)}")
        else:
            raise
        return None
    return objective_of(run_dir, config.evaluation.objective)


def kept(run_dir: Path, in_sweep: bool) -> str:
    """Where finished pictures are and the command to go on."""
    count = len(finished_ids(run_dir, read_report(run_dir).get("config_hash", "")))
    trained = "The training's last checkpoint and " if (run_dir / FOLDER).is_dir() else ""
    found = f"{trained}{count} finished pictures are kept in {run_dir}"
    if in_sweep:
        return f"{found}; to go on, run the same command again."
    given = HydraConfig.get().overrides
    overrides = [*given.task, *(one for one in given.hydra if not one.startswith("hydra.run.dir="))]
    return f"{found}; to go on, run:\n{command([*overrides, override('hydra.run.dir', str(run_dir))])}"


def main() -> None:
    """The command line: ``python -m unmask.run`` and ``unmask``."""
    steady_streams()
    try:
        check_overrides(sys.argv[1:])
    except UnmaskError as error:
        leave(2, str(error))
    register()
    register_resolvers()
    hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="run")(job)()


if __name__ == "__main__":
    # A launcher sends `job` to other processes, by name if it can be imported. That of __main__ cannot: it would be
    # taken apart with every module it uses, and some resist. Everything else a job needs to compose its configuration
    # (schemas, resolvers, what is swept) Hydra sends along.
    from unmask.run import main as importable_main

    importable_main()
