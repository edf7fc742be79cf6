"""The picture of a search: the objective trial by trial, and against what was chosen."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from unmask.evaluation.metrics import HIGHER_IS_BETTER
from unmask.files import atomic_path
from unmask.sweep.curves import numeric_axis, numeric_keys
from unmask.sweep.jobs import Job
from unmask.sweep.search import Search


def draw_history(jobs: Sequence[Job], search: Search, keys: Sequence[str], path: Path) -> None:
    """Draw the objective trial by trial with the best so far, and against every numeric key, into `path`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    trials, best = search.trials(jobs), search.best(jobs)
    higher = HIGHER_IS_BETTER[search.objective]
    axes = numeric_keys(trials, keys)
    columns = min(3, 1 + len(axes))
    rows = -(-(1 + len(axes)) // columns)
    figure = Figure(figsize=(4.2 * columns, 3.2 * rows + 0.4), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    means = [job.metrics[search.objective].mean for job in trials]
    so_far = [(max if higher else min)(means[: index + 1]) for index in range(len(means))]
    numbers = list(range(1, len(trials) + 1))
    history = panels[0]
    history.plot(numbers, means, "o", color="C0", markersize=4, label="trial")
    history.step(numbers, so_far, where="post", color="C1", label="best so far")
    history.set_xlabel("trial")
    history.set_ylabel(f"{search.objective} ({'higher' if higher else 'lower'} is better)")
    history.legend(fontsize=8)
    history.xaxis.get_major_locator().set_params(integer=True)
    for key, panel in zip(axes, panels[1:], strict=False):
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
    for panel in panels:
        panel.grid(alpha=0.3)
    for panel in panels[1 + len(axes) :]:
        panel.set_visible(False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=130)
