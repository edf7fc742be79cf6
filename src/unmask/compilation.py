"""torch.compile where it can work."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from typing import TypeVar

import torch

log = logging.getLogger(__name__)
F = TypeVar("F", bound=Callable[..., object])


def compile_if_possible(function: F) -> F:
    """`function` compiled for fixed shapes, or itself with a note in the log where no C++ compiler is found.

    On CPUs the compiler's gain is fused memory-bound arithmetic between convolutions; results differ from eager ones
    by rounding only.
    """
    if not compiler_found("method.compile=false"):
        return function
    return torch.compile(function, dynamic=False)  # type: ignore[return-value]


def compiler_found(without: str) -> bool:
    """Whether torch.compile can work here; if not, a note in the log says that it is as with the setting `without`."""
    if not (os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++") or shutil.which("clang++")):
        log.info(
            "No C++ compiler found: running without torch.compile, as %s; a step takes about 1.5 times as long.",
            without,
        )
        return False
    # The package sets up its own distutils on import, which must come before anything imports the standard one.
    import setuptools  # noqa: F401

    return True
