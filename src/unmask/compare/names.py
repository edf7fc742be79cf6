"""Short names that tell runs apart."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

from unmask.compare.runs import FinishedRun
from unmask.fingerprint import influential

MAX_KEYS = 3
"""Directories tell runs apart that differ in more configuration keys than this."""


def name_runs(runs: Sequence[FinishedRun]) -> tuple[str, ...]:
    """The method's name; where runs share one, their experiment; then the keys that differ; then the directory."""
    names = [run.result.run.method for run in runs]
    for refine in (_by_experiment, _by_keys, _by_directory):
        names = _refined(runs, names, refine)
    return tuple(names)


Refinement = Callable[[str, "list[FinishedRun]"], "list[str] | None"]


def _refined(runs: Sequence[FinishedRun], names: list[str], refine: Refinement) -> list[str]:
    """The names after those that are shared went through `refine`, which may leave them as they are."""
    sharing: dict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(names):
        sharing[name].append(index)
    refined = list(names)
    for name, indices in sharing.items():
        if len(indices) > 1:
            found = refine(name, [runs[index] for index in indices]) or [name] * len(indices)
            for index, one in zip(indices, found, strict=True):
                refined[index] = one
    return refined


def _by_experiment(name: str, runs: list[FinishedRun]) -> list[str] | None:
    return [str(run.config.get("experiment") or name) for run in runs]


def _by_keys(name: str, runs: list[FinishedRun]) -> list[str] | None:
    """``NAME key=value``, with as few keys as tell all of `runs` apart; None where there are no such keys."""
    settings = [influential(run.config) for run in runs]
    differing = [
        key
        for key in dict.fromkeys(key for one in settings for key in one)
        if len({str(one.get(key)) for one in settings}) > 1
    ]
    for count in range(1, MAX_KEYS + 1):
        labels = [_labels(name, settings, keys) for keys in combinations(differing, count)]
        telling = [label for label in labels if len(set(label)) == len(runs)]
        if telling:
            return min(telling, key=lambda label: sum(map(len, label)))
    return None


def _labels(name: str, settings: list[dict[str, Any]], keys: tuple[str, ...]) -> list[str]:
    return [" ".join([name, *(f"{key.rpartition('.')[2]}={one.get(key)}" for key in keys)]) for one in settings]


def _by_directory(name: str, runs: list[FinishedRun]) -> list[str] | None:
    """``NAME directory``, with as many parents as it takes: one directory is not given twice."""
    parts = [run.folder.absolute().parts for run in runs]
    for count in range(1, max(map(len, parts)) + 1):
        tails = ["/".join(one[-count:]) for one in parts]
        if len(set(tails)) == len(runs):
            return [f"{name} {tail}" for tail in tails]
    raise AssertionError("two of the directories are one")
