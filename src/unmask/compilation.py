"""torch.compile where it works and pays; everything runs without it too."""

from __future__ import annotations

import ctypes
import logging
import os
import shutil
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, final

import torch
from torch import nn

log = logging.getLogger(__name__)
F = TypeVar("F", bound=Callable[..., object])

PAYS_FROM_STEPS = {"cpu": 2000, "cuda": 4000}
"""Steps from which compiling is sooner than running eager, by kind of device; docs/speed.md, "When compiling pays"."""
PROBE = '#include <Python.h>\nextern "C" int unmask_probe() { return PY_MAJOR_VERSION; }\n'
PROBE_WITHIN_S = 30
COMPILING = "compiling, about a minute"
"""What is said while it is so."""


def worth_compiling(setting: bool | str, steps: int | None, device: torch.device) -> bool:
    """Whether to compile a step: as the `setting` says, or for "auto", where `steps` to come outweigh compiling.

    Args:
        steps: batches to come times the steps of each; None: nobody knows, and nothing is compiled.
    """
    if isinstance(setting, bool):
        return setting
    return steps is not None and steps >= PAYS_FROM_STEPS.get(device.type, max(PAYS_FROM_STEPS.values()))


@final
class CompileClock:
    """How long torch.compile has been at work in this process, which has one compiler."""

    def __init__(self) -> None:
        self._taken = 0.0
        self._since: float | None = None
        self._listeners: list[Callable[[], None]] = []

    @property
    def seconds(self) -> float:
        """Wall time so far."""
        return self._taken + (0.0 if self._since is None else time.perf_counter() - self._since)

    @contextmanager
    def reporting_to(self, listener: Callable[[], None]) -> Iterator[None]:
        """Call `listener` whenever the compiler begins."""
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)

    def start(self) -> None:
        """Count from now on; torch tells when its compiler begins and ends, be it the forward or the backward pass."""
        from torch._dynamo.callback import callback_handler

        if self._begin not in callback_handler.start_callbacks:  # torch.compiler.reset() forgets them
            callback_handler.register_start_callback(self._begin)
            callback_handler.register_end_callback(self._end)

    def _begin(self, *_: object) -> None:  # torch 2.6 says nothing about the compilation, later ones do
        self._since = time.perf_counter()
        if self._taken == 0:
            log.info("%s; seconds where the compiler's cache has the code already", COMPILING.capitalize())
        for listener in self._listeners:
            listener()

    def _end(self, *_: object) -> None:
        if self._since is not None:
            self._taken += time.perf_counter() - self._since
            self._since = None


CLOCK = CompileClock()


def compile_if_possible(function: F, without: str = "method.compile=false") -> F:
    """`function` compiled for fixed shapes, or itself with a note in the log where that cannot work.

    On CPUs the compiler's gain is fused memory-bound arithmetic between convolutions; results differ from eager ones
    by rounding only. A graph that the compiler fails at is run eager, with a note in the log.

    Args:
        without: the setting that asks for none, for the note.
    """
    if not compiler_works(without):
        return function
    try:
        CLOCK.start()
        return torch.compile(function, dynamic=False, backend=_or_eager)  # type: ignore[return-value]
    except Exception as error:  # a Python that it does not know, say
        _tell(error, without)
        return function


def compile_network(network: nn.Module) -> None:
    """Let calls of `network` be compiled for fixed shapes, in place; as `compile_if_possible`."""
    CLOCK.start()
    network.compile(dynamic=False, backend=_or_eager)


def compiler_works(without: str) -> bool:
    """Whether torch.compile can work here; if not, a note in the log says why, and that it is as with `without`."""
    reason = _fault()
    if reason is not None:
        log.info(
            "Running without torch.compile, as %s: %s. A step takes about 1.5 times as long.", without, reason
        )  # fmt: skip
        return False
    # The package sets up its own distutils on import, which must come before anything imports the standard one.
    import setuptools  # noqa: F401

    logging.getLogger("torch.utils.cpp_extension").addFilter(_is_news)
    return True


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a line of the compiler's is worth showing: that a machine without a GPU has none is not."""
    return not record.getMessage().startswith("No CUDA runtime is found")


def _or_eager(graph: torch.fx.GraphModule, inputs: list[torch.Tensor], **options: Any) -> Callable[..., Any]:
    """A backend of torch.compile: its default one, and where that fails, the graph as it is."""
    try:
        return torch._dynamo.lookup_backend("inductor")(graph, inputs, **options)
    except torch._dynamo.exc.RestartAnalysis:
        raise  # no failure: the compiler begins anew with what it has learnt
    except Exception as error:
        _tell(error, "compile=false")
        return graph.forward


def _tell(error: Exception, without: str) -> None:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [""]
    log.debug("torch.compile", exc_info=True)
    log.info("torch.compile failed (%s: %s): running without it, as %s.", type(error).__name__, lines[0][:200], without)


@cache
def _fault() -> str | None:
    """Why the compiler cannot be used, by letting it build what torch.compile builds many of; None if it can.

    A third of a second, where the compiler's own failure takes a minute and a page of text.
    """
    compiler = os.environ.get("CXX") or next((name for name in ("g++", "c++", "clang++") if shutil.which(name)), None)
    if compiler is None:
        return "no C++ compiler found"
    where = os.environ.get("TORCHINDUCTOR_CACHE_DIR") or tempfile.gettempdir()
    try:
        Path(where).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="unmask-probe-", dir=where) as folder:
            return _fault_of(compiler, Path(folder))
    except OSError as error:
        return f"{where}, where it would build, cannot be used ({error.strerror})"


def _fault_of(compiler: str, folder: Path) -> str | None:
    source, library = folder / "probe.cpp", folder / "probe.so"
    source.write_text(PROBE, encoding="ascii")
    headers = sysconfig.get_path("include")
    command = [*compiler.split(), "-shared", "-fPIC", f"-I{headers}", str(source), "-o", str(library)]
    try:
        built = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=PROBE_WITHIN_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"the C++ compiler {compiler} cannot be run ({error})"
    if built.returncode != 0:
        if "Python.h" in built.stderr:
            return f"Python.h is missing in {headers} (on Debian: apt install python3-dev)"
        return f"the C++ compiler {compiler} fails ({(built.stderr.strip().splitlines() or ['no message'])[0][:200]})"
    try:
        ctypes.CDLL(str(library))
    except OSError as error:
        return (
            f"what is built in {folder.parent} cannot be loaded ({error}); TORCHINDUCTOR_CACHE_DIR names another place"
        )
    return None
