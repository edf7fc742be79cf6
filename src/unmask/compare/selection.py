"""Which runs and pictures are compared: comparisons are only fair on the same pictures."""

from __future__ import annotations

from collections.abc import Sequence

from unmask.compare.runs import FinishedRun
from unmask.errors import UnmaskError

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
        f"{name} has {len(run.ids)} and lacks {len(lacks)} ({_named(lacks)})"
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


def differences_in_data(runs: Sequence[FinishedRun]) -> tuple[str, ...]:
    """Keys that decide which pictures belong to the ids, and where their holes are, and that are not alike in all."""
    data = ("data.root", "data.clean_dir", "data.masked_dir")
    occlusion = ("occlusion.source", "occlusion.prefer_painted", "occlusion.painted_dir")
    return tuple(key for key in data + occlusion if len({str(_value(run, key)) for run in runs}) > 1)


def _value(run: FinishedRun, key: str) -> object:
    group, _, name = key.partition(".")
    return (run.config.get(group) or {}).get(name)


def _named(ids: Sequence[str]) -> str:
    return ", ".join(ids[:NAMED]) + (", …" if len(ids) > NAMED else "")
