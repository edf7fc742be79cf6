"""A finished evaluation in TensorBoard."""

from __future__ import annotations

import yaml

from unmask.columns import hparam_columns
from unmask.evaluation.gallery import Gallery
from unmask.images import from_uint8
from unmask.results.summary import EvaluationResult
from unmask.runlog import RunLog

FIRST_GROUPS = ("hole", "identity", "expression", "whole")
"""Groups of metrics that TensorBoard's table begins with."""


def report(result: EvaluationResult, gallery: Gallery | None, steps: int, run_log: RunLog) -> None:
    """Pictures, the row of the table of runs, and the configuration; a method of no steps has none in the table."""
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
