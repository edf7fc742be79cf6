"""What the runs of one process have in common, made once: the jobs of a sweep do not load the same networks again."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar, final

T = TypeVar("T")


@final
class Shared:
    """Keeps the newest thing of each kind: a sweep over the generator's weights must not fill the memory with them."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Hashable, Any]] = {}

    def get(self, kind: str, recipe: Hashable, make: Callable[[], T]) -> T:
        """What `make` made from this `recipe` before, or makes now.

        Args:
            kind: names what it is; each kind is always made by the same code.
            recipe: everything that decides what comes out. A file counts with its `unmask.files.stamp`.
        """
        if kind not in self._kept or self._kept[kind][0] != recipe:
            self._kept[kind] = (recipe, make())
        made: T = self._kept[kind][1]
        return made
