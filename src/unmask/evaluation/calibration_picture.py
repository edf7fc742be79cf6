"""The picture of calibration: observed against nominal shares."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from unmask.evaluation.calibration import Calibration
from unmask.figure import panels


def draw_calibration(tables: Mapping[str, Calibration], path: Path) -> None:
    """A panel per measure into `path`, with 95 % intervals; on the dashed line answers are calibrated, below it
    overconfident."""
    with panels(path, len(tables), wide=3.6, high=3.4) as (_, drawn):
        for (name, table), panel in zip(tables.items(), drawn, strict=True):
            panel.plot([0, 1], [0, 1], "--", color="0.6", linewidth=1)
            # rounding may leave -1e-17, which matplotlib refuses
            below = (table.observed - table.low).clip(0)
            above = (table.high - table.observed).clip(0)
            panel.errorbar(table.nominal, table.observed, yerr=[below, above], fmt="o-", capsize=3, markersize=4)
            panel.set_title(f"{name} ({table.answers} answers, {table.people} people)", fontsize=10)
            panel.set_xlabel("share that should lie inside")
            panel.set_ylabel("share that does")
            panel.set_xlim(-0.02, 1.02)
            panel.set_ylim(-0.02, 1.02)
            panel.set_aspect("equal")
            panel.grid(alpha=0.3)
