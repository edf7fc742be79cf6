"""Multirun: directories named after what is swept, and a summary beside the jobs."""

from __future__ import annotations

import logging
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from unmask.claim import claimed
from unmask.errors import UnmaskError
from unmask.labels import NAMED, counts
from unmask.mistakes import FULL, explain
from unmask.sweep.curves import draw_curves
from unmask.sweep.heat import draw_heat_maps, heat_keys
from unmask.sweep.history import draw_history
from unmask.sweep.jobs import Job, given_overrides, job_folders, read_jobs
from unmask.sweep.naming import fixed_keys, is_grid, own_overrides, remember_fixed, swept_keys
from unmask.sweep.ranges import check_jobs
from unmask.sweep.search import Search, search_of
from unmask.sweep.summary import write_csv, write_markdown
from unmask.terminal import leave

log = logging.getLogger(__name__)


class SummaryCallback(Callback):
    """Writes summary.csv, summary.md and summary.png when the last job of a multirun has ended.

    A job that failed does not end the multirun; the summary lists it with its reason, and the exit code is 1.
    """

    def __init__(self) -> None:
        self._held = ExitStack()
        """The sweep's directory, from the first job to the summary."""

    def __getstate__(self) -> dict[str, Any]:
        """Hydra sends the callbacks along with jobs to other processes, which hold nothing."""
        return {"_held": ExitStack()}

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra before it makes the directory of a single run.

        Raises:
            SystemExit: 2, it cannot be made.
        """
        _make(Path(config.hydra.run.dir))

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra before the first job; what is swept cannot be told from a job's own configuration.

        Raises:
            SystemExit: 2, a value is outside its range, whichever job's it would be, or the directory cannot be made
                or is another sweep's.
        """
        remember_fixed(config)
        folder = Path(config.hydra.sweep.dir)
        try:
            check_jobs(config)
            search_of(config)
            _make(folder)
            self._held.enter_context(claimed(folder.absolute(), wait=config.wait))
        except (UnmaskError, OSError) as error:
            _leave_for(error, folder)

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra with the configuration of the multirun as a whole.

        Raises:
            SystemExit: 1, a job is not complete; 2, the summary cannot be written.
        """
        folder = Path(config.hydra.sweep.dir)
        keys = job_keys(folder, swept_keys(config), fixed_keys(config))
        with self._held:
            try:
                summarise(folder, keys, None if is_grid(config) else search_of(config))
            except OSError as error:
                _leave_for(error, folder)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _leave_for(error, folder)


def _leave_for(error: Exception, folder: Path) -> NoReturn:
    message = explain(error, folder)
    if message is None:
        leave(2, f"{folder} cannot be used: {error}")
    leave(2, message)


def job_keys(sweep_dir: Path, known: list[str], fixed: list[str]) -> list[str]:
    """The swept keys: those that are `known`, and what jobs below `sweep_dir` set beside the `fixed` keys: not every
    sweeper's configuration can be read."""
    keys = dict.fromkeys(known)
    for folder in job_folders(sweep_dir):
        for override in OverridesParser.create().parse_overrides(own_overrides(fixed, given_overrides(folder))):
            key = override.get_key_element()
            if override.key_or_group in NAMED or counts(override):
                keys[key] = None
    return list(keys)


def summarise(sweep_dir: Path, keys: list[str], search: Search | None = None) -> None:
    """Write the summary of the jobs below `sweep_dir`.

    Args:
        keys: the swept ones, in the command's order.
        search: what the sweep looked for; None: it ran every combination.

    Raises:
        SystemExit: after everything is written, when a job is not complete: 2 if a full disk is the reason, else 1;
            Hydra only warns of other exceptions here.
    """
    jobs = read_jobs(sweep_dir, keys)
    write_csv(jobs, keys, sweep_dir / "summary.csv")
    write_markdown(jobs, keys, sweep_dir / "summary.md", search)
    picture = _draw(jobs, keys, search, sweep_dir / "summary.png")
    log.info("summary: %s%s", sweep_dir.absolute() / "summary.md", " and summary.png" if picture else "")
    bad = [job for job in jobs if not job.complete]
    for job in bad:
        log.error("%s: %s", job.name, job.reason)
    if bad:
        sys.stderr.write(f"{len(bad)} of {len(jobs)} jobs did not finish; the same command runs only those.\n")
        raise SystemExit(2 if any(job.reason.startswith(FULL) for job in bad) else 1)


def _draw(jobs: list[Job], keys: list[str], search: Search | None, path: Path) -> bool:
    measured = [job for job in jobs if job.metrics]
    if not measured:
        return False
    grid = heat_keys(measured, keys)
    if search is not None and search.trials(jobs):
        draw_history(jobs, search, keys, path)
    elif grid is not None:
        draw_heat_maps(measured, grid, path)
    else:
        draw_curves(jobs, keys, path)
    return True
