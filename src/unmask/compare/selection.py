"""Which runs and pictures are compared: comparisons are only fair on the same pictures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from unmask.errors import UnmaskError
from unmask.results.read import FinishedRun

NAMED = 5
"""How many ids a message names; the rest is counted."""


def refuse_incomplete(runs: Sequence[FinishedRun]) -> None:
    """Accept finished runs only.

    Raises:
        UnmaskError: some are not; names them.
    """
    incomplete = [f"{run.folder} (pictures so far: {len(run.records)})" for run in runs if not run.result.complete]
    if incomplete:
        raise UnmaskError(
            f"Not finished: {', '.join(incomplete)}. Finish a run with the same command and hydra.run.dir=DIR, "
            "leave it out, or compare what is there with --incomplete."
        )


def one_resolution(runs: Sequence[FinishedRun], names: Sequence[str]) -> int:
    """The resolution of all runs, in pixels.

    Raises:
        UnmaskError: there are several; metrics of different resolutions are not comparable.
    """
    resolutions = {run.result.run.resolution for run in runs}
    if len(resolutions) > 1:
        listed = ", ".join(f"{name} has {run.result.run.resolution}" for name, run in zip(names, runs, strict=True))
        raise UnmaskError(f"The runs are not of one resolution: {listed} pixels. Compare those of one data.resolution.")
    return resolutions.pop()


def ids_to_compare(runs: Sequence[FinishedRun], names: Sequence[str], *, common: bool) -> tuple[str, ...]:
    """The ids that every run has, ascending.

    Args:
        common: accept runs that have other ids as well.
    Raises:
        UnmaskError: no id is in every run, or (without `common`) a run lacks an id that another one has.
    """
    union = set().union(*(run.ids for run in runs))
    shared = union.intersection(*(run.ids for run in runs))
    lacking = [
        f"{name} has {len(run.ids)} and lacks {len(lacks)} ({named_ids(lacks)})"
        for name, run in zip(names, runs, strict=True)
        if (lacks := sorted(union.difference(run.ids)))
    ]
    if lacking and not (common and shared):
        way_out = (
            f"Ids that all have: {len(shared)}; to compare on those, add --common."
            if shared
            else "No id is in all of them; name other runs."
        )
        raise UnmaskError(
            f"The runs are not over the same pictures. Of {len(union)} ids {'; '.join(lacking)}. {way_out}"
        )
    if not shared:
        raise UnmaskError(f"No run has a finished picture: {', '.join(str(run.folder) for run in runs)}.")
    return tuple(sorted(shared))


def refuse_other_pictures(runs: Sequence[FinishedRun], names: Sequence[str], ids: Sequence[str]) -> None:
    """Accept runs whose `ids` are the same pictures, or of which nobody knows.

    Raises:
        UnmaskError: an id is one picture in one run and another in another.
    """
    for id in ids:
        known = {name: content for name, run in zip(names, runs, strict=True) if (content := run.inputs[id])}
        if len(set(known.values())) > 1:
            one, other = (next(name for name in known if known[name] == content) for content in _two(known.values()))
            raise UnmaskError(
                f"{id} is not the same picture in {one} and in {other}: ids of different data. Compare runs over the "
                "same pictures."
            )


def largest_set(
    runs: Sequence[FinishedRun], *, common: bool = False
) -> tuple[list[FinishedRun], list[tuple[FinishedRun, str]]]:
    """The runs that can be compared with one another, as many as possible, and the others with the reason.

    Runs belong together that have the same pictures, by content, at one resolution. Of sets of one size the one with
    more pictures is taken, then the one with the newest run. Runs without a single picture stand aside.

    Args:
        common: the resolution alone decides; see `ids_to_compare`.
    """
    sets: dict[object, list[FinishedRun]] = defaultdict(list)
    for run in [run for run in runs if run.ids] or runs:
        sets[run.result.run.resolution, None if common else tuple(run.inputs.items())].append(run)
    chosen = max(sets.values(), key=lambda one: (len(one), len(one[0].ids), max(map(_age, one))))
    return chosen, [(run, _why_not(run, chosen[0])) for run in runs if run not in chosen]


def _why_not(run: FinishedRun, chosen: FinishedRun) -> str:
    own, theirs = run.result.run.resolution, chosen.result.run.resolution
    if own != theirs:
        return f"{own} pixels, not {theirs}"
    if run.ids != chosen.ids:
        shared = len(set(run.ids) & set(chosen.ids))
        return f"{len(run.ids)} pictures, {shared} of them with ids among the {len(chosen.ids)}"
    if not all(run.inputs.values()) or not all(chosen.inputs.values()):
        return "the same ids, but it is not known whether of the same pictures: another version"
    return "the same ids, but other pictures"


def _age(run: FinishedRun) -> float:
    return (run.folder / "metrics.json").stat().st_mtime


def _two(values: Iterable[str]) -> tuple[str, str]:
    one, other, *_ = dict.fromkeys(values)
    return one, other


def differences_in_data(runs: Sequence[FinishedRun]) -> tuple[str, ...]:
    """Keys that decide which pictures belong to the ids, where contents are not known, and where their holes are, and
    that are not alike in all."""
    known = all(all(run.inputs.values()) for run in runs)
    data = () if known else ("data.root", "data.manifest", "data.clean_dir", "data.masked_dir")
    occlusion = ("occlusion.source", "occlusion.prefer_painted", "occlusion.painted_dir")
    return tuple(key for key in data + occlusion if len({str(_value(run, key)) for run in runs}) > 1)


def _value(run: FinishedRun, key: str) -> object:
    group, _, name = key.partition(".")
    return (run.config.get(group) or {}).get(name)


def named_ids(ids: Sequence[str]) -> str:
    """A few of them, and a sign that there are more."""
    return ", ".join(ids[:NAMED]) + (", …" if len(ids) > NAMED else "")
