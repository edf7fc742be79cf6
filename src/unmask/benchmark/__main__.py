"""``python -m unmask.benchmark NAME RUN_DIR...``: runs over a frozen list of pictures, ranked.

Writes leaderboard.md and leaderboard.csv. ``--freeze RUN_DIR`` makes a list of one's own, ``--list`` says what there
is.

Exit codes: 0 done; 2 anything the user can mend.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from unmask.benchmark.frozen import Benchmark, freeze, known, load, refuse_others
from unmask.benchmark.leaderboard import card, markdown, rank_runs, write_csv
from unmask.benchmark.parts import by_attribute, by_hole
from unmask.compare.names import label_runs
from unmask.data import dataset_of, originals
from unmask.errors import UnmaskError
from unmask.evaluation.sets import SetMetric, gather_features, measure_set
from unmask.files import write_text
from unmask.results.pictures import kept_hidden
from unmask.results.read import FinishedRun, find_runs, read_run
from unmask.terminal import steady_streams


@dataclass(frozen=True)
class Options:
    """The command line; see `parse`."""

    name: str | None
    runs: tuple[str, ...]
    out: Path
    attributes: Path | None
    sets: bool
    inception: Path | None
    freeze: Path | None


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    steady_streams()
    options = parse(arguments)
    try:
        if options.name is None:
            for name in known():
                sys.stdout.write("\n".join([f"# {name}", "", *card(load(name))]) + "\n")
        elif options.freeze is not None:
            freeze_run(options.name, options.freeze)
        else:
            sys.stdout.write(run_benchmark(load(options.name), options))
    except UnmaskError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def run_benchmark(benchmark: Benchmark, options: Options) -> str:
    """The leaderboard as Markdown, which is also written.

    Raises:
        UnmaskError: a run that cannot be ranked; nothing is written then.
    """
    runs = [read_run(folder) for folder in find_runs(options.runs)]
    for run in runs:
        refuse_others(benchmark, run)
    sets = measured_sets(benchmark, runs, options.inception) if options.sets else {}
    lines = rank_runs(benchmark, runs, label_runs(runs).names, sets)
    parts = by_hole(runs[0].folder, benchmark.ids)
    if options.attributes is not None:
        parts += by_attribute(options.attributes, benchmark.ids)
    text = markdown(benchmark, lines, parts)
    try:
        write_text(options.out / "leaderboard.md", text)
        write_csv(benchmark, lines, options.out / "leaderboard.csv")
    except OSError as error:
        raise UnmaskError(f"--out {options.out}: cannot be written ({error}).") from error
    return text


def measured_sets(
    benchmark: Benchmark, runs: Sequence[FinishedRun], inception: Path | None
) -> dict[Path, tuple[SetMetric, ...]]:
    """What is measured on all pictures together, by run directory.

    Raises:
        UnmaskError: the data of the first run are not there any more.
    """
    dataset = dataset_of(runs[0], benchmark.ids)
    folders = [run.folder for run in runs]
    hidden = partial(kept_hidden, folders[0])
    gathered = gather_features(folders, originals(dataset, benchmark.ids), hidden, inception_weights=inception)
    return {folder: measure_set(gathered.runs[folder], gathered.clean) for folder in folders}


def freeze_run(name: str, folder: Path) -> None:
    """NAME.yaml and NAME.csv in the current directory: the pictures and holes of a run, and rules to be filled in."""
    run = read_run(folder)
    rules = {
        "version": "1.0",
        "about": "What the pictures are and where they can be had.",
        "masks": "How the face masks came onto the faces, and where the occlusions are from.",
        "data": "data=ffhq_cmfd data.root=PATH",
        "resolution": run.result.run.resolution,
        "metrics": ["hole/lpips", "hole/psnr", "identity/arcface", "identity/sface", "expression/mouth_open"],
    }
    path = Path(f"{name}.yaml")
    freeze(run, dataset_of(run, run.ids).pairs, path, rules)
    sys.stdout.write(f"{path} and {path.with_suffix('.csv')}: {len(run.records)} pictures. Fill in the rules.\n")


def parse(arguments: Sequence[str] | None) -> Options:
    """Read the command line; mistakes in it end the program with exit code 2."""
    parser = argparse.ArgumentParser(
        prog="python -m unmask.benchmark", description="Rank runs over a frozen list of pictures."
    )
    parser.add_argument("name", nargs="?", metavar="NAME", help=f"{', '.join(known())}, or a .yaml of your own")
    parser.add_argument("runs", nargs="*", metavar="RUN_DIR", help="run directories, folders of them, or globs")
    parser.add_argument("--list", action="store_true", help="say what benchmarks there are")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("outputs/benchmark"),
        metavar="DIR",
        help="where to write (default: %(default)s)",
    )
    parser.add_argument("--attributes", type=Path, metavar="CSV", help="also by what is known of the people")
    parser.add_argument("--no-sets", action="store_true", help="leave out KID, P-IDS, U-IDS and rank-1")
    parser.add_argument("--inception", type=Path, metavar="FILE", help="torch-fidelity's weights of Inception, for FID")
    parser.add_argument("--freeze", type=Path, metavar="RUN_DIR", help="write NAME.yaml and NAME.csv from this run")
    read = parser.parse_args(arguments)
    if read.list:
        return Options(None, (), read.out, None, False, None, None)
    if read.name is None:
        parser.error("which benchmark? --list names them")
    if read.freeze is None and not read.runs:
        parser.error(f"{read.name}: which runs?")
    return Options(
        read.name, tuple(read.runs), read.out, read.attributes, not read.no_sets, read.inception, read.freeze
    )


if __name__ == "__main__":
    sys.exit(main())
