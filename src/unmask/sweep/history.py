"""The picture of a search: the objective trial by trial, and against what was chosen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from unmask.figure import panels
from unmask.results.catalogue import HIGHER_IS_BETTER
from unmask.sweep.curves import direction, numeric_axis, numeric_keys
from unmask.sweep.jobs import Job
from unmask.sweep.search import Search


def draw_history(jobs: Sequence[Job], search: Search, keys: Sequence[str], path: Path) -> None:
    """Draw the objective trial by trial with the best so far, and against every numeric key, into `path`."""
    trials, best = search.trials(jobs), search.best(jobs)
    higher = HIGHER_IS_BETTER[search.objective]
    axes = numeric_keys(trials, keys)
    with panels(path, 1 + len(axes)) as (_, drawn):
        means = [job.metrics[search.objective].mean for job in trials]
        so_far = [(max if higher else min)(means[: index + 1]) for index in range(len(means))]
        numbers = list(range(1, len(trials) + 1))
        history, *others = drawn
        history.plot(numbers, means, "o", color="C0", markersize=4, label="trial")
        history.step(numbers, so_far, where="post", color="C1", label="best so far")
        history.set_xlabel("trial")
        history.set_ylabel(f"{search.objective} ({direction(search.objective)})")
        history.legend(fontsize=8)
        history.locator_params(axis="x", integer=True)
        for key, panel in zip(axes, others, strict=True):
            x = {job.name: float(job.values[key]) for job in trials if key in job.values}
            shown = [job for job in trials if job.name in x]
            panel.scatter(
                [x[job.name] for job in shown],
                [job.metrics[search.objective].mean for job in shown],
                c=range(len(shown)),
                cmap="viridis_r",
                s=18,
            )
            if best is not None and best.name in x:
                panel.plot(x[best.name], best.metrics[search.objective].mean, "*", color="C1", markersize=12)
            numeric_axis(panel, key, sorted(set(x.values())))
            panel.set_title("darker: later", fontsize=9)
        for panel in drawn:
            panel.grid(alpha=0.3)
