"""The columns of TensorBoard's HPARAMS table: what a run is, what was set, and the options that matter most.

TensorBoard takes the columns of all runs from the first, sorts them by name, and shows five as it opens. So every run
declares the same, beside the options that its own command sets, and numbers bring to the front what says what a run is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser

from unmask.every_option import Kind, option_facts, option_kinds
from unmask.labels import PLAIN_GROUPS, counts, settings_label, short_keys

START = "method.init"
SEED = "seed"


@dataclass(frozen=True)
class Column:
    """A cell of a run with its column.

    Attributes:
        name: the heading.
        kind: what TensorBoard sorts by.
        value: None is an empty cell.
    """

    name: str
    kind: Kind
    value: float | str | None


def hparam_columns(
    settings: Mapping[str, Any], asked: Sequence[str], *, method: str, steps: int | None
) -> tuple[Column, ...]:
    """Method, experiment, what was set; then what was set option by option, steps, start, seed; then the options that
    are marked as columns in `unmask.config`.

    Args:
        settings: the nested configuration.
        asked: the overrides that the run was started with.
        method: its name.
        steps: that its method took for a picture, or its training; None where nobody knows.
    """
    flat = flatten(settings)
    experiment = flat.get("experiment")
    first = (
        Column("1 method", str, method),
        Column("2 experiment", str, None if experiment is None else str(experiment)),
        Column("3 set", str, settings_label(asked) or None),
    )
    own = [key for key in _asked_keys(asked) if key in flat and key not in (START, SEED)]
    # Those that are set have a second column in front: the one that all runs have keeps its name.
    ranked = [key for key, facts in option_facts().items() if facts.column]
    names = short_keys([*own, START, SEED, *ranked])
    return (
        *first,
        *(_column(f"4 {names[key]}", key, flat) for key in own),
        Column("5 steps", float, steps),
        _column(f"6 {names[START]}", START, flat),
        _column(f"7 {names[SEED]}", SEED, flat),
        *(_column(names[key], key, flat) for key in sorted(ranked, key=lambda key: names[key])),
    )


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, bool | int | float | str | None]:
    """Nested settings -> one level with dotted keys; what is no number, truth value or string becomes its ``str``."""
    flat: dict[str, bool | int | float | str | None] = {}
    for key, value in settings.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        elif value is None or isinstance(value, (bool, int, float, str)):
            flat[f"{prefix}{key}"] = value
        else:
            flat[f"{prefix}{key}"] = str(value)
    return flat


def _asked_keys(asked: Sequence[str]) -> list[str]:
    parsed = OverridesParser.create().parse_overrides(list(asked))
    keys = [one.key_or_group for one in parsed if counts(one)]
    return [key for key in dict.fromkeys(keys) if key not in PLAIN_GROUPS]


def _column(name: str, key: str, flat: Mapping[str, Any]) -> Column:
    kind = option_kinds().get(key, str)
    value = flat.get(key)
    # TensorBoard cannot sort a column that holds a word among numbers: where there is none, the cell is empty.
    return Column(name, kind, None if value is None else kind(value))
