"""``python -m unmask.compare RUN_DIR...``: finished runs side by side on the same pictures.

Writes compare.md, compare.csv and compare.png, those of an earlier comparison included.

Exit codes: 0 done; 2 anything the user can mend.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich import get_console

from unmask.compare.comparison import Comparison, compare
from unmask.compare.long_csv import write_long_csv
from unmask.compare.names import label_runs
from unmask.compare.picture import Picture, choose_ids, draw
from unmask.compare.selection import (
    differences_in_data,
    ids_to_compare,
    largest_set,
    one_resolution,
    refuse_incomplete,
    refuse_other_pictures,
)
from unmask.compare.table import markdown, terminal_table
from unmask.errors import UnmaskError
from unmask.files import write_text
from unmask.results.catalogue import ALL_NAMES
from unmask.results.grid import save_grid
from unmask.results.read import OUTPUTS, WAY_OUT, FinishedRun, find_runs, read_run
from unmask.terminal import steady_streams


@dataclass(frozen=True)
class Options:
    """The command line; see `parse`."""

    runs: tuple[str, ...]
    out: Path
    sort: str
    rows: int
    ids: tuple[str, ...] | None
    common: bool
    incomplete: bool


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code."""
    steady_streams()
    options = parse(arguments)
    try:
        compare_runs(options)
    except UnmaskError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def compare_runs(options: Options) -> None:
    """One comparison, from the run directories to the files.

    Raises:
        UnmaskError: something the user can mend; nothing is written then.
    """
    runs, notes = select(options)
    labels = label_runs(runs)
    names = labels.names
    resolution = one_resolution(runs, names)
    ids = ids_to_compare(runs, names, common=options.common)
    refuse_other_pictures(runs, names, ids)
    comparison = compare(runs, names, ids, resolution=resolution, sort=options.sort, footnotes=labels.footnotes)
    notes += remarks(runs, names, ids)
    picture = draw(comparison, choose_ids(comparison, asked=options.ids, rows=options.rows), source=runs[0])
    if picture.note is not None:
        notes.append(picture.note)

    write(options.out, comparison, picture, notes)
    console = get_console()
    console.print(terminal_table(comparison, console.width, options.sort))
    for line in (*notes, *(f"{options.out / name}" for name in ("compare.md", "compare.csv", "compare.png"))):
        console.print(line, soft_wrap=True, markup=False, highlight=False, emoji=False)


def select(options: Options) -> tuple[list[FinishedRun], list[str]]:
    """The runs that are asked for, and what there is to say about those that are not.

    Raises:
        UnmaskError: there is none, one is damaged, or one that was named is not finished.
    """
    folders = find_runs(options.runs or (str(OUTPUTS),))
    if options.runs:
        runs = [read_run(folder) for folder in folders]
        if not options.incomplete:
            refuse_incomplete(runs)
        return runs, []
    runs, aside = [], []
    for folder in folders:
        try:
            runs.append(read_run(folder))
        except UnmaskError as error:  # whatever lies there
            aside.append(f"{folder} ({str(error).removeprefix(f'{folder}/').removesuffix(WAY_OUT).strip()})")
    finished = [run for run in runs if run.result.complete or options.incomplete]
    aside += [f"{run.folder} (not finished)" for run in runs if run not in finished]
    whole = [run for run in finished if run.missing is None]
    aside += [f"{run.folder} ({run.missing}: missing)" for run in finished if run not in whole]
    if not finished:
        refuse_incomplete(runs)
    if not whole:
        raise UnmaskError(f"No run below {OUTPUTS} can be compared: {'; '.join(aside)}.")
    chosen, others = largest_set(whole, common=options.common)
    aside += [f"{run.folder} ({why})" for run, why in others]
    return chosen, [f"Left aside: {'; '.join(aside)}."] if aside else []


def remarks(runs: Sequence[FinishedRun], names: Sequence[str], ids: Sequence[str]) -> list[str]:
    """What a reader of the table has to know about the runs, a sentence each."""
    named = list(zip(names, runs, strict=True))
    more = [f"{name} has {len(run.ids)}" for name, run in named if len(run.ids) != len(ids)]
    unfinished = [name for name, run in named if not run.result.complete]
    differing = differences_in_data(runs)
    found = []
    if more:
        found.append(
            f"Pictures that not all runs have are left out: {', '.join(more)}, of which {len(ids)} are compared."
        )
    if unfinished:
        found.append(f"Not finished: {', '.join(unfinished)}.")
    unknown = [name for name, run in named if not all(run.inputs.values())]
    if unknown and len(runs) > 1:
        found.append(f"Of {', '.join(unknown)} it is not known whether the same ids are the same pictures: older runs.")
    holes = [key for key in differing if key.startswith("occlusion.")]
    if holes:
        found.append(f"The runs differ in {', '.join(holes)}: the hole that is scored may not be the same.")
    if len(holes) < len(differing):
        others = [key for key in differing if key not in holes]
        found.append(f"The runs differ in {', '.join(others)}: make sure that the same ids are the same pictures.")
    return found


def write(out: Path, comparison: Comparison, picture: Picture, notes: Sequence[str]) -> None:
    """Write the three files into `out`, each of them atomically.

    Raises:
        UnmaskError: they cannot be written.
    """
    try:
        save_grid(picture.grid, out / "compare.png")
        write_long_csv(comparison, out / "compare.csv")
        write_text(out / "compare.md", markdown(comparison, notes, "compare.png"))
    except OSError as error:
        raise UnmaskError(f"--out {out}: cannot be written ({error}). Make room, or name another folder.") from error


def parse(arguments: Sequence[str] | None) -> Options:
    """Read the command line; mistakes in it end the program with exit code 2."""
    parser = argparse.ArgumentParser(
        prog="python -m unmask.compare", description="Compare finished runs on the same pictures."
    )
    parser.add_argument(
        "runs", nargs="*", metavar="RUN_DIR",
        help=f"run directories, folders of them, or globs; default: below {OUTPUTS}/ as many as can be compared",
    )  # fmt: skip
    parser.add_argument(
        "--out", type=Path, default=OUTPUTS / "compare", metavar="DIR", help="where to write (default: %(default)s)"
    )
    parser.add_argument(
        "--sort", choices=ALL_NAMES, default="hole/lpips", metavar="METRIC",
        help="metric to sort the runs by, best first (default: %(default)s); one of " + ", ".join(ALL_NAMES),
    )  # fmt: skip
    parser.add_argument(
        "--rows", type=_positive, default=8, metavar="N", help="faces in the picture (default: %(default)s)"
    )
    parser.add_argument("--ids", type=_ids, metavar="A,B,C", help="show these faces instead of the first")
    parser.add_argument("--common", action="store_true", help="compare on the ids that all runs have")
    parser.add_argument("--incomplete", action="store_true", help="also take runs that are not finished")
    read = parser.parse_args(arguments)
    return Options(tuple(read.runs), read.out, read.sort, read.rows, read.ids, read.common, read.incomplete)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def _ids(text: str) -> tuple[str, ...]:
    return tuple(id.strip() for id in text.split(",") if id.strip())


if __name__ == "__main__":
    sys.exit(main())
