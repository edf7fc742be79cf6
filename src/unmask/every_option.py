"""Every option of every method: their kinds, for tables that hold runs of all of them, and what is known of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import is_dataclass, replace
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from unmask.config import SCHEMAS, RunConfig
from unmask.options import ABSENT, Facts, Influence, Place, facts_of

Kind = type[float] | type[str]


def option_kinds() -> dict[str, Kind]:
    """Dotted key -> float for numbers and truth values, str for everything else; of every schema in `SCHEMAS`.

    Where methods disagree about a key, it is str.
    """
    top = {key: hint for key, hint in get_type_hints(RunConfig).items() if not is_dataclass(hint)}
    grouped = [(f"{group}.{key}", hint) for group, _, node in SCHEMAS for key, hint in get_type_hints(node).items()]
    kinds: dict[str, Kind] = {}
    for key, hint in [*top.items(), *grouped]:
        kind = _kind(hint)
        kinds[key] = kind if kinds.get(key, kind) is kind else str
    return kinds


@cache
def option_facts() -> dict[str, Facts]:
    """Dotted key -> what is known of the option beside its range, which is the schema's own affair.

    Where several schemas of a group share a key, what any of them states of it holds for all: a run's config.yaml is
    read without its schema.
    """
    facts: dict[str, Facts] = {}
    for key, stated in stated_facts():
        facts[key] = _united(facts[key], stated) if key in facts else stated
    return facts


def stated_facts() -> Iterator[tuple[str, Facts]]:
    """(dotted key, what one schema states of it), schema by schema."""
    yield from facts_of(RunConfig).items()
    for group, _, node in SCHEMAS:
        for key, stated in facts_of(node).items():
            yield f"{group}.{key}", stated


def path_places() -> dict[str, Place]:
    """Dotted key -> what its value is relative to, for every option that is a path."""
    return {key: facts.path for key, facts in option_facts().items() if facts.path is not None}


def _united(one: Facts, other: Facts) -> Facts:
    return replace(
        one,
        path=one.path or other.path,
        influence=other.influence if one.influence is Influence.results else one.influence,
        before=other.before if one.before is ABSENT else one.before,
        counted_as=other.counted_as if one.counted_as is ABSENT else one.counted_as,
        short=one.short or other.short,
        column=one.column or other.column,
    )


def _kind(hint: Any) -> Kind:
    alternatives = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return float if set(alternatives) <= {bool, int, float, NoneType} else str
