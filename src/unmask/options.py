"""Every option of every method, for tables that hold runs of all of them."""

from __future__ import annotations

from dataclasses import is_dataclass
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from unmask.config import SCHEMAS, RunConfig

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


def _kind(hint: Any) -> Kind:
    alternatives = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return float if set(alternatives) <= {bool, int, float, NoneType} else str
