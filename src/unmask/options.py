"""What is known of one option, with its field: its range, whether it is a path, what it influences, since when it is.

A settings dataclass derives from `Settings` and writes ``lr: float = option(0.05, above=0)``. Whoever makes an object
of it, Hydra's command line or Python, has the ranges checked before any work.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import MISSING as NO_DEFAULT
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from typing import Any

from omegaconf import MISSING

from unmask.errors import UnmaskError

FACTS = "unmask.facts"
"""The key of `Facts` in a dataclass field's metadata."""


class Influence(Enum):
    """What an option decides."""

    results = "results"
    """Pictures or numbers; a run with another value is another run."""
    processes = "processes"
    """How the work is divided: a training's results depend on it (batch norm, dropout), a picture's do not."""
    report = "report"
    """Only how finished pictures are summed up and shown: it can change when a run goes on."""
    nothing = "nothing"
    """Speed, messages, places."""


class Place(Enum):
    """What a relative path is relative to."""

    here = "here"
    """The folder in which the command was given."""
    below_root = "below_root"
    """`data.root`."""


class _Absent(Enum):
    absent = 0


ABSENT = _Absent.absent


@dataclass(frozen=True)
class Facts:
    """What is known of one option.

    Attributes:
        minimum, maximum: of a number, both allowed.
        above, below: of a number, both not allowed themselves.
        choices: of a text, all that are allowed.
        path: the value is a file or folder, and relative to this; None: it is none.
        influence: what the option decides.
        before: the value that asks for the results of versions that lacked the option.
        counted_as: what stands for any value in the fingerprint of a run, for an option that once counted as influence.
        short: what the option is called in names of runs; "": the last part of its key.
        column: whether TensorBoard's table of runs has a column for it.
    """

    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None
    choices: tuple[str, ...] = ()
    path: Place | None = None
    influence: Influence = Influence.results
    before: Any = ABSENT
    counted_as: Any = ABSENT
    short: str = ""
    column: bool = False

    def fault(self, value: Any) -> str | None:
        """What is wrong with `value`, as the end of a sentence that begins with it; None: nothing."""
        if isinstance(value, bool) or value is None:
            return None
        if isinstance(value, str):
            wrong = bool(self.choices) and value not in self.choices
            return f"is not among {', '.join(self.choices)}" if wrong else None
        if not isinstance(value, (int, float)):
            return None
        if isinstance(value, float) and not math.isfinite(value):
            return "is not a finite number"
        return None if self._holds(value) else f"must be {self.range()}"

    def range(self) -> str:
        """The range in words."""
        if self.minimum is not None and self.maximum is not None:
            return f"from {_written(self.minimum)} to {_written(self.maximum)}"
        ends = (
            ("at least", self.minimum),
            ("greater than", self.above),
            ("at most", self.maximum),
            ("less than", self.below),
        )
        return " and ".join(f"{words} {_written(end)}" for words, end in ends if end is not None)

    def _holds(self, value: float) -> bool:
        return (
            (self.minimum is None or value >= self.minimum)
            and (self.maximum is None or value <= self.maximum)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )


def option(
    default: Any = MISSING,
    *,
    factory: Callable[[], Any] | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
    below: float | None = None,
    choices: tuple[str, ...] = (),
    path: Place | None = None,
    influence: Influence = Influence.results,
    before: Any = ABSENT,
    counted_as: Any = ABSENT,
    short: str = "",
    column: bool = False,
) -> Any:
    """A dataclass field that carries its `Facts`; the arguments are theirs, `factory` makes mutable defaults."""
    facts = Facts(minimum, maximum, above, below, choices, path, influence, before, counted_as, short, column)
    if factory is not None:
        return field(default_factory=factory, metadata={FACTS: facts})
    return field(default=default, metadata={FACTS: facts})


class Settings:
    """Base of the dataclasses of a config group; ``class DataConfig(Settings, group="data")``."""

    _group = ""

    def __init_subclass__(cls, group: str | None = None, **others: Any) -> None:
        super().__init_subclass__(**others)
        if group is not None:
            cls._group = group

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            UnmaskError: a value is outside its range; the message names the option, the value and the range.
        """
        for each in fields(self):  # type: ignore[arg-type]
            check_value(type(self), each.name, getattr(self, each.name))


def facts_of(settings: type) -> dict[str, Facts]:
    """Field -> what is known of it, for every field of a settings dataclass.

    What is not a setting of its own (a nested dataclass) has no facts beyond the defaults. A report-only option is
    counted as its default, so that runs made before it was known to be one keep their fingerprint; not so one that runs
    were made without (`before`).
    """
    found = {}
    for each in fields(settings):
        facts = each.metadata.get(FACTS, Facts())
        uncounted = facts.counted_as is ABSENT and facts.before is ABSENT
        if facts.influence is Influence.report and uncounted and each.default is not NO_DEFAULT:
            facts = replace(facts, counted_as=each.default)
        found[each.name] = facts
    return found


def check_value(settings: type[Settings], name: str, value: Any) -> None:
    """Hold `value` against the range of the option `name` of a settings dataclass; a missing value is in every range.

    Raises:
        UnmaskError: it is outside its range; the message names the option, the value and the range.
    """
    (each,) = (one for one in fields(settings) if one.name == name)  # type: ignore[arg-type]
    fault = None if value == MISSING else each.metadata.get(FACTS, Facts()).fault(value)
    if fault is not None:
        key = f"{settings._group}.{name}" if settings._group else name
        raise UnmaskError(f"{key}={value} {fault}{_besides(str(each.type))}.")


def _written(end: float) -> str:
    return f"{end:,}" if isinstance(end, int) else f"{end:g}"


def _besides(annotation: str) -> str:
    """What else than a number or text in the range an option with this type annotation takes."""
    parts = {part.strip() for part in annotation.split("|")}
    return "".join(f", or {name}" for kind, name in (("bool", "true or false"), ("None", "null")) if kind in parts)
