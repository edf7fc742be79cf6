"""How much a result depends on the seed: the same pictures from several runs, as JSON.

    python -m unmask.run -m 'seed=range(8)' data.limit=24 hydra.sweep.dir=outputs/seeds
    python scripts/measure_stability.py outputs/seeds --picture seeds.png

For each metric: its standard deviation over the runs (with n-1) of every picture, and the mean of that over the
pictures with its 95 % bootstrap interval. The picture has a row for every face, a column for every run, and the clean
face last (where --clean names a folder that has it): whether a face changes its apparent sex, people have to see for
themselves.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

import numpy as np

from unmask.data.scan import clean_id, find_files
from unmask.errors import UnmaskError
from unmask.images import load_image, to_uint8
from unmask.results.bootstrap import mean_interval
from unmask.results.grid import GridRow, draw_grid, save_grid
from unmask.results.read import FinishedRun, find_runs, read_run

METRICS = ("hole/psnr", "hole/lpips", "identity/arcface", "raw_visible/psnr")


def deviations(runs: list[FinishedRun], metric: str) -> list[float]:
    """Over the runs, of every picture that has a value in all of them."""
    values: dict[str, list[float]] = {}
    for run in runs:
        for record in run.records:
            value = record.measurements[metric].value
            if value is not None:
                values.setdefault(record.id, []).append(value)
    return [statistics.stdev(found) for found in values.values() if len(found) == len(runs)]


def draw(runs: list[FinishedRun], ids: list[str], clean: Path | None) -> np.ndarray:
    """The composites of all runs."""
    files = {} if clean is None else find_files(clean, clean_id).files
    rows = []
    for id in ids:
        made = [to_uint8(load_image(run.folder / "composite" / f"{id}.png")) for run in runs]
        truth = to_uint8(load_image(files[id], made[0].shape[0])) if id in files else None
        rows.append(GridRow(id, (*made, truth)))
    return draw_grid(rows, (*(f"seed {run.result.run.seed}" for run in runs), "clean"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="run directories, or folders of them")
    parser.add_argument("--picture", type=Path, help="write a PNG of all composites there")
    parser.add_argument("--clean", type=Path, help="folder of the clean pictures, for its last column")
    options = parser.parse_args()
    runs = [read_run(folder) for folder in find_runs(options.runs)]
    ids = [record.id for record in runs[0].records]
    if len(runs) < 2 or any([record.id for record in run.records] != ids for run in runs):
        raise SystemExit("Name at least two runs over the same pictures.")
    if len({run.result.run.seed for run in runs}) < len(runs):
        raise SystemExit("Two of the runs have the same seed.")
    report: dict[str, object] = {"runs": len(runs), "pictures": len(ids)}
    for metric in METRICS:
        found = deviations(runs, metric)
        if not found:
            report[metric] = None
            continue
        interval = mean_interval(found, samples=2000, seed=0)
        report[metric] = {"mean_std": interval.mean, "ci95": [interval.low, interval.high], "n": len(found)}
    if options.picture:
        save_grid(draw(runs, ids, options.clean), options.picture)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    try:
        main()
    except UnmaskError as error:
        raise SystemExit(str(error)) from error
