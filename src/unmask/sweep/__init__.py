"""Multirun: directories named after what is swept, and a summary beside the jobs."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from unmask.errors import UnmaskError
from unmask.sweep.jobs import Job, read_jobs
from unmask.sweep.naming import remember_swept_keys, swept_keys
from unmask.sweep.ranges import check_jobs
from unmask.sweep.summary import write_csv, write_markdown
from unmask.terminal import leave

log = logging.getLogger(__name__)


class SummaryCallback(Callback):
    """Writes summary.csv, summary.md and summary.png when the last job of a multirun has ended.

    A job that failed does not end the multirun; the summary lists it with its reason, and the exit code is 1.
    """

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra before the first job; what is swept cannot be told from a job's own configuration.

        Raises:
            SystemExit: 2, a value is outside its range, whichever job's it would be.
        """
        remember_swept_keys(config)
        try:
            check_jobs(config)
        except UnmaskError as error:
            leave(2, str(error))

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Called by Hydra with the configuration of the multirun as a whole."""
        keys = swept_keys(config)
        summarise(Path(config.hydra.sweep.dir), keys.split(",") if keys else [])


def summarise(sweep_dir: Path, keys: list[str]) -> None:
    """Write the summary of the jobs below `sweep_dir`; `keys` are the swept ones, in the command's order.

    Raises:
        SystemExit: 1, after everything is written, when a job is not complete; Hydra only warns of other
            exceptions here.
    """
    jobs = read_jobs(sweep_dir, keys)
    write_csv(jobs, keys, sweep_dir / "summary.csv")
    write_markdown(jobs, keys, sweep_dir / "summary.md")
    picture = _draw(jobs, keys, sweep_dir / "summary.png")
    log.info("summary: %s%s", sweep_dir.absolute() / "summary.md", " and summary.png" if picture else "")
    bad = [job for job in jobs if not job.complete]
    for job in bad:
        log.error("%s: %s", job.name, job.reason)
    if bad:
        sys.stderr.write(f"{len(bad)} of {len(jobs)} jobs did not finish; the same command runs only those.\n")
        raise SystemExit(1)


def _draw(jobs: list[Job], keys: list[str], path: Path) -> bool:
    if not any(job.metrics for job in jobs):
        return False
    from unmask.sweep.curves import draw_curves  # matplotlib is slow to import

    draw_curves(jobs, keys, path)
    return True
