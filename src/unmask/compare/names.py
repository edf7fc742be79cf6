"""Labels that tell runs apart, and say by what: a reader must not take one difference for another."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from unmask.every_option import option_facts
from unmask.fingerprint import influential
from unmask.labels import short_keys, short_number
from unmask.options import ABSENT, Facts
from unmask.results.read import FinishedRun

LONG = 36
"""Characters of a label that become a footnote."""
PICTURES = "data"
"""Group of options that choose the pictures, which are the same for all compared runs; a training depends on it."""
MEASURING = "evaluation"
"""Group of options that choose what is measured."""
NAMES = ("method.name", "method._target_", "generator._target_")
"""What the first part of a label says."""


@dataclass(frozen=True)
class Labels:
    """
    Attributes:
        names: one per run, all different.
        footnotes: what the ``[1]`` at the end of long ones stands for, in order.
    """

    names: tuple[str, ...]
    footnotes: tuple[str, ...]


def label_runs(runs: Sequence[FinishedRun]) -> Labels:
    """Experiment or method, then every influential setting in which runs of that name differ, and those in which all
    runs differ that have nothing to do with a method; then, where nothing differs, the directory."""
    bases = _bases(runs)
    settings = [_settings(run) for run in runs]  # once each: a configuration of a hundred keys is slow to read
    names, footnotes = [], []
    for own, base in zip(settings, bases, strict=True):
        alike = [one for one, other in zip(settings, bases, strict=True) if other == base]
        keys = _differing_keys(own, alike, settings)
        short = short_keys(keys)
        said = ", ".join(f"{short[key]}={_shown(_value(own, key))}" for key in keys)
        if len(base) + 1 + len(said) > LONG and said:
            footnotes.append(said)
            said = f"[{len(footnotes)}]"
        names.append(f"{base} {said}".strip())
    return Labels(_told_apart(runs, names), tuple(footnotes))


def _bases(runs: Sequence[FinishedRun]) -> list[str]:
    """Experiment or method; both where an experiment was run with several methods."""
    named = [(run.config.get("experiment"), run.result.run.method) for run in runs]
    several = {one for one, method in named for other, theirs in named if one == other and method != theirs}
    return [
        method if experiment is None else f"{experiment} {method}" if experiment in several else str(experiment)
        for experiment, method in named
    ]


def _differing_keys(
    own: dict[str, Any], alike: Sequence[dict[str, Any]], everybody: Sequence[dict[str, Any]]
) -> list[str]:
    """The keys that the label of a run with settings `own` names, in their order.

    Args:
        alike: the settings of the runs with the same first part of their labels, `own` among them.
        everybody: those of all runs.
    """

    def differs(key: str, among: Sequence[dict[str, Any]]) -> bool:
        # A run that has no such option, as one that learns nothing has none of a training's, does not differ in it.
        values = (_value(one, key) for one in among)
        return len({str(value) for value in values if value is not ABSENT}) > 1

    keys = dict.fromkeys(key for one in alike for key in one)
    return [
        key
        for key in keys
        if _value(own, key) is not ABSENT and (differs(key, alike) or (_shared(key) and differs(key, everybody)))
    ]


def _shared(key: str) -> bool:
    """Whether a key means the same to every method."""
    return key.partition(".")[0] in ("occlusion", "seed")


def _settings(run: FinishedRun) -> dict[str, Any]:
    """What makes the run's pictures what they are."""
    found = influential(run.config)
    learns = found.get("method.checkpoint", "") is None
    ignored = (MEASURING,) if learns else (MEASURING, PICTURES, "training")
    return {key: value for key, value in found.items() if key.partition(".")[0] not in ignored and key not in NAMES}


def _value(settings: dict[str, Any], key: str) -> Any:
    """Of a run of a version without the option what it did, which fingerprints leave out."""
    return settings.get(key, option_facts().get(key, Facts()).before)


def _shown(value: Any) -> str:
    return short_number(str(value)) if isinstance(value, float) else str(value)


def _told_apart(runs: Sequence[FinishedRun], names: Sequence[str]) -> tuple[str, ...]:
    """Names that are shared get the directory, with as many parents as it takes: one directory is not given twice."""
    sharing: dict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(names):
        sharing[name].append(index)
    found = list(names)
    for name, indices in sharing.items():
        if len(indices) > 1:
            parts = [runs[index].folder.absolute().parts for index in indices]
            count = next(
                n for n in range(1, max(map(len, parts)) + 1) if len({one[-n:] for one in parts}) == len(parts)
            )
            for index, one in zip(indices, parts, strict=True):
                found[index] = f"{name} {'/'.join(one[-count:])}"
    return tuple(found)
