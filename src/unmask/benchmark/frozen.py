"""A benchmark: which pictures, which holes, which metrics; and what a run must have to be ranked in it."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from unmask.compare.selection import named_ids
from unmask.data import Pair
from unmask.errors import UnmaskError
from unmask.files import atomic_path, write_text
from unmask.results.catalogue import ALL_NAMES
from unmask.results.pictures import Hidden, read_hidden
from unmask.results.read import FinishedRun
from unmask.weights.digest import file_digest

COLUMNS = ("id", "masked", "clean", "hole")


@dataclass(frozen=True)
class Entry:
    """A picture of the list.

    Attributes:
        id: its name.
        masked, clean: SHA-256 of its two files.
        hole: SHA-256 of the occlusion that is scored, of its pixels at the benchmark's resolution, a bit each.
    """

    id: str
    masked: str
    clean: str
    hole: str

    @property
    def input(self) -> str:
        """What a run writes down of both files; see `unmask.faces.Faces.contents`."""
        digest = hashlib.sha256(bytes.fromhex(self.masked) + bytes.fromhex(self.clean))
        return digest.hexdigest()[:12]


@dataclass(frozen=True)
class Benchmark:
    """A frozen list and its rules.

    Attributes:
        name: what the command line calls it.
        version: of the list and the rules; another version is another benchmark.
        about: what the pictures are and where they come from, a paragraph.
        masks: how the face masks came onto the faces, and where the occlusions are from.
        data: how a run gets exactly these pictures: overrides of `python -m unmask.run`.
        resolution: of the pictures, in pixels.
        metrics: of the leaderboard, in its order; the first ranks.
        entries: the pictures, ascending by id.
    """

    name: str
    version: str
    about: str
    masks: str
    data: str
    resolution: int
    metrics: tuple[str, ...]
    entries: tuple[Entry, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """The pictures' names, ascending."""
        return tuple(entry.id for entry in self.entries)


def known() -> tuple[str, ...]:
    """The benchmarks that come with the program."""
    lists = files("unmask.benchmark") / "lists"
    return tuple(sorted(entry.name.removesuffix(".yaml") for entry in lists.iterdir() if entry.name.endswith(".yaml")))


def load(name: str) -> Benchmark:
    """The benchmark `name`, one of `known` or the path of a YAML file with its CSV beside it.

    Raises:
        UnmaskError: there is none, or its files are damaged.
    """
    own = Path(str(files("unmask.benchmark"))) / "lists" / f"{name}.yaml"
    path = Path(name) if name.endswith(".yaml") else own
    if not path.is_file():
        raise UnmaskError(f"There is no benchmark {name}; there are {', '.join(known())}, or give the path of a .yaml.")
    try:
        rules: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        with path.with_suffix(".csv").open(newline="", encoding="utf-8") as file:
            entries = tuple(Entry(*(row[column] for column in COLUMNS)) for row in csv.DictReader(file))
        benchmark = Benchmark(
            path.stem, str(rules["version"]), rules["about"], rules["masks"], rules["data"], int(rules["resolution"]),
            tuple(rules["metrics"]), entries,
        )  # fmt: skip
    except (OSError, KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise UnmaskError(f"{path}: damaged ({type(error).__name__}: {error}).") from error
    unknown = [metric for metric in benchmark.metrics if metric not in ALL_NAMES]
    if unknown:
        raise UnmaskError(f"{path}: there are no metrics called {', '.join(unknown)}.")
    if not entries:
        raise UnmaskError(f"{path}: lists no pictures.")
    return benchmark


def hole_digest(hidden: Hidden) -> str:
    """See `Entry.hole`."""
    inside = (hidden.occlusion[0] > 0.5).numpy()
    return hashlib.sha256(f"{inside.shape}".encode() + np.packbits(inside).tobytes()).hexdigest()


def refuse_others(benchmark: Benchmark, run: FinishedRun) -> None:
    """Accept a finished run over exactly the benchmark's pictures and holes.

    Raises:
        UnmaskError: it has other inputs, holes or another resolution, pictures are missing from it, or it is of a
            version that did not write down what it was made from.
    """
    way_out = f"Run: python -m unmask.run {benchmark.data} method=..."
    if not run.result.complete:
        raise UnmaskError(f"{run.folder}: not finished. The same command with hydra.run.dir={run.folder} goes on.")
    if run.result.run.resolution != benchmark.resolution:
        raise UnmaskError(
            f"{run.folder}: {run.result.run.resolution} pixels, {benchmark.name} has {benchmark.resolution}. {way_out}"
        )
    missing = [id for id in benchmark.ids if id not in set(run.ids)]
    if missing:
        reasons = {failure.id: failure.reason for failure in run.result.failures}
        why = reasons.get(missing[0], "the run was not asked for it")
        raise UnmaskError(
            f"{run.folder}: {len(missing)} of {len(benchmark.entries)} pictures are missing ({named_ids(missing)}; the "
            f"first: {why}). A benchmark is over all of them. {way_out}"
        )
    inputs = run.inputs
    unknown = [id for id in benchmark.ids if not inputs[id]]
    other = [entry.id for entry in benchmark.entries if inputs[entry.id] and inputs[entry.id] != entry.input]
    if unknown or other:
        what = "it is not known from which files these were made" if unknown else "these were made from other files"
        raise UnmaskError(f"{run.folder}: {what}: {named_ids(unknown or other)}. {way_out}")
    holes = {entry.id: read_hidden(run.folder, entry.id) for entry in benchmark.entries}
    unscored = [id for id, hidden in holes.items() if hidden is None]
    if unscored:
        raise UnmaskError(f"{run.folder}: occlusion/ lacks {named_ids(unscored)}; a run of an older version. {way_out}")
    moved = [e.id for e in benchmark.entries if (hidden := holes[e.id]) is not None and hole_digest(hidden) != e.hole]
    if moved:
        raise UnmaskError(f"{run.folder}: other holes than the benchmark's: {named_ids(moved)}. {way_out}")


def freeze(run: FinishedRun, pairs: Sequence[Pair], path: Path, rules: dict[str, Any]) -> None:
    """Write the list of exactly the pictures and holes of `run`, and `rules` beside it, as a benchmark of one's own.

    Args:
        pairs: the files of its pictures.
    Raises:
        UnmaskError: the run does not say what it was made from, or these are other files.
    """
    files = {pair.id: pair for pair in pairs}
    entries = []
    for record in run.records:
        pair, hidden = files[record.id], read_hidden(run.folder, record.id)
        if pair.clean is None or hidden is None:
            lacks = "there is no clean picture" if pair.clean is None else "the run kept no occlusion; run it again"
            raise UnmaskError(f"{run.folder}: {record.id}: {lacks}.")
        entry = Entry(record.id, file_digest(pair.masked), file_digest(pair.clean), hole_digest(hidden))
        if entry.input != record.input:
            raise UnmaskError(f"{run.folder}: {record.id} was made from other files than {pair.masked}. Run it again.")
        entries.append((entry.id, entry.masked, entry.clean, entry.hole))
    with atomic_path(path.with_suffix(".csv")) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(entries)
    write_text(path, yaml.safe_dump(rules, sort_keys=False, allow_unicode=True, width=110))
