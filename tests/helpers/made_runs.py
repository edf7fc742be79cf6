"""Run directories written with the package's own writers, from numbers that a test makes up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf

from unmask.evaluation.metrics import IDENTICAL
from unmask.files import write_json
from unmask.images import save_image
from unmask.results.catalogue import ALL_NAMES, Measurement
from unmask.results.records import PictureRecord, write_records
from unmask.results.summary import RunInfo, summarise

SIZE = 32


def make_run(
    folder: Path,
    values: Mapping[str, Sequence[float | None]],
    *,
    method: str = "grey",
    ids: Sequence[str] | None = None,
    seconds: Sequence[float] | None = None,
    resolution: int = SIZE,
    complete: bool = True,
    grey: float = 0.0,
    config: Mapping[str, Any] | None = None,
    inputs: Sequence[str] | None = None,
) -> Path:
    """Write `folder`: `values` are by metric, one a picture; the metrics that are not named have none.

    Every composite is of one grey, in [-1,1].
    """
    count = len(next(iter(values.values())))
    names = list(ids) if ids is not None else [f"{index:05d}" for index in range(count)]
    records = []
    for index, id in enumerate(names):
        content = inputs[index] if inputs is not None else f"content of {id}"
        given = {name: values[name][index] if name in values else None for name in ALL_NAMES}
        measured = {
            name: Measurement(None, IDENTICAL) if value is None else Measurement(value) for name, value in given.items()
        }
        records.append(PictureRecord(id, seconds[index] if seconds else 0.5, measured, input=content))
        save_image(torch.full((3, resolution, resolution), grey), folder / "composite" / f"{id}.png")
    run = RunInfo(method, 0, "abc", resolution, {})
    result = summarise(run, records, (), complete=complete, bootstrap_samples=50, peak_memory_mb=123.4)
    write_records(folder / "metrics.csv", records)
    write_json(folder / "metrics.json", result.to_json())
    plain = {
        "method": {"name": method},
        "data": {"root": "nowhere", "resolution": resolution},
        "occlusion": {"source": "painted"},
        "experiment": None,
        "seed": 0,
    }
    OmegaConf.save(OmegaConf.merge(plain, dict(config or {})), folder / "config.yaml")
    return folder
