"""What each process has to tell of its share of the pictures, and all of them together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from unmask.faces import Failure
from unmask.results.records import PictureRecord, record_from_row, row_of

Curves = Mapping[tuple[str, int], tuple[float, int]]
"""(tag, step) -> sum over the pictures that were still going on at that step, and how many they were."""


@dataclass(frozen=True)
class Part:
    """The evaluation of some pictures.

    Attributes:
        records: of the finished ones.
        failures: those that the method did not finish, and why.
        undecodable: those that could not be read, and why.
        curves: of the losses, and of metrics of emerging pictures.
        peak_memory_mb: most memory that a process held, in 2^20 bytes; None where the system does not say.
        seconds_compiling: wall time of torch.compile, of the process that took longest.
        steps: that the method took for a picture, training included; 0 where no picture was tried.
    """

    records: tuple[PictureRecord, ...] = ()
    failures: tuple[Failure, ...] = ()
    undecodable: tuple[Failure, ...] = ()
    curves: Curves = field(default_factory=dict)
    peak_memory_mb: float | None = None
    seconds_compiling: float = 0.0
    steps: int = 0

    def to_json(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "records": [row_of(record) for record in self.records],
            "failures": [[failure.id, failure.reason] for failure in self.failures],
            "undecodable": [[failure.id, failure.reason] for failure in self.undecodable],
            "curves": [[*place, *value] for place, value in self.curves.items()],
            "peak_memory_mb": self.peak_memory_mb,
            "seconds_compiling": self.seconds_compiling,
            "steps": self.steps,
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Part:
        """The inverse of `to_json`."""
        return cls(
            tuple(record_from_row(row) for row in plain["records"]),
            tuple(Failure(id, reason) for id, reason in plain["failures"]),
            tuple(Failure(id, reason) for id, reason in plain["undecodable"]),
            {(name, step): (total, count) for name, step, total, count in plain["curves"]},
            plain["peak_memory_mb"],
            plain["seconds_compiling"],
            plain["steps"],
        )


def together(parts: Sequence[Part], ids: Sequence[str]) -> Part:
    """All parts as one, whoever did what: the pictures in the order of `ids`, and the largest peak of memory."""
    places = {id: index for index, id in enumerate(ids)}

    def place(one: PictureRecord | Failure) -> int:
        return places.get(one.id, len(ids))

    sums: dict[tuple[str, int], tuple[float, int]] = defaultdict(lambda: (0.0, 0))
    for part in parts:
        for key, (total, count) in part.curves.items():
            sums[key] = (sums[key][0] + total, sums[key][1] + count)

    return Part(
        tuple(sorted((record for part in parts for record in part.records), key=place)),
        tuple(sorted((failure for part in parts for failure in part.failures), key=place)),
        tuple(sorted((failure for part in parts for failure in part.undecodable), key=place)),
        sums,
        max((part.peak_memory_mb for part in parts if part.peak_memory_mb is not None), default=None),
        max((part.seconds_compiling for part in parts), default=0.0),
        max((part.steps for part in parts), default=0),
    )
