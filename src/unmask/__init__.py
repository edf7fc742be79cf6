"""unmask generates the part of a face hidden by a face mask, and compares ways of doing it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unmask.photos import Unmasker

__all__ = ["Unmasker", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`Unmasker`, imported when it is asked for, since it brings torch along (PEP 562)."""
    if name == "Unmasker":
        from unmask.photos import Unmasker

        return Unmasker
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
