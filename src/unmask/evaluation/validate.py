"""A quick look at a method while it is being trained, with the measures of the evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from unmask.config import JoinConfig
from unmask.errors import UnmaskError
from unmask.evaluation.metrics import FaceMetrics, measure
from unmask.evaluation.truth import Truth
from unmask.faces import Faces, Reconstruction
from unmask.images import from_uint8
from unmask.making.join import join
from unmask.results.catalogue import HIGHER_IS_BETTER, NAMES, check_metric
from unmask.results.grid import GridRow, draw_grid
from unmask.runlog import RunLog

GRID_ROWS = 6


def validate(
    unmask: Callable[[Faces], Reconstruction],
    batches: Iterable[Faces],
    *,
    occlusion: JoinConfig,
    monitor: str,
    run_log: RunLog,
    step: int,
) -> float:
    """Unmask and measure; log means as ``validation/NAME`` and a grid as ``pictures/validation``.

    Identity and expression are measured only if the monitored metric is theirs.

    Returns:
        The monitored metric's mean, negated where lower is better.
    Raises:
        UnmaskError: the monitored metric does not exist, or has no value on any picture; says why.
    """
    check_metric(monitor, "training.monitor")
    values: dict[str, list[float]] = {name: [] for name in NAMES}
    reasons: set[str] = set()
    rows: list[GridRow] = []
    for faces in batches:
        made = unmask(faces)
        for index in range(len(faces)):
            one, raw = faces[index].to("cpu"), made.raw[index : index + 1].cpu()
            joined = join(raw, one, occlusion)[0]
            clean = None if one.clean is None else one.clean[0]
            measured = measure(
                raw=raw[0],
                composite=joined,
                occlusion=one.occlusion[0],
                filled=one.filled[0],
                truth=Truth.of(one.masked[0], clean),
                faces=FaceMetrics.for_monitor(monitor),
            )
            for name in NAMES:
                measurement = measured[name]
                if measurement.value is not None:
                    values[name].append(measurement.value)
                elif name == monitor and measurement.reason is not None:
                    reasons.add(measurement.reason)
            if len(rows) < GRID_ROWS:
                rows.append(
                    GridRow.from_tensors(one.ids[0], masked=one.masked[0], raw=raw[0], composite=joined, clean=clean)
                )
    means = {name: float(np.mean(numbers)) for name, numbers in values.items() if numbers}
    for name, mean in means.items():
        run_log.scalar(f"validation/{name}", mean, step)
    if rows:
        run_log.image("pictures/validation", from_uint8(draw_grid(rows)), step)
    if monitor not in means:
        raise UnmaskError(f"training.monitor={monitor} has no value in the validation: {'; '.join(sorted(reasons))}.")
    return means[monitor] if HIGHER_IS_BETTER[monitor] else -means[monitor]
