"""torch.compile is used where it works and pays, and missed quietly where it does not."""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from unmask import compilation
from unmask.compilation import (
    CLOCK,
    PAYS_FROM_STEPS,
    compile_if_possible,
    compile_network,
    compiler_works,
    worth_compiling,
)
from unmask.config import StyleGANProjConfig
from unmask.errors import UnmaskError
from unmask.every_option import option_facts

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    compilation._fault.cache_clear()
    yield
    compilation._fault.cache_clear()
    torch.compiler.reset()


def double(x: Tensor) -> Tensor:
    return 2 * x


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_without_a_compiler_the_function_itself_is_used_and_the_log_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with caplog.at_level(logging.INFO):
        assert compile_if_possible(double) is double
    assert "method.compile=false: no C++ compiler found" in caplog.text


@pytest.mark.parametrize(
    ("compiler", "reason"),
    [
        (None, "/nonexistent/g++ cannot be run"),
        ("echo 'probe.cpp:1:10: fatal error: Python.h: No such file or directory' >&2; exit 1", "Python.h is missing"),
        ("echo 'internal compiler error' >&2; exit 4", "fails (internal compiler error)"),
        ("exit 1", "fails (no message)"),
        ('echo "no program" > "$6"', "cannot be loaded"),
    ],
    ids=["missing", "no Python.h", "broken", "silent", "not loadable"],
)
def test_a_compiler_that_does_not_work_is_one_line(
    compiler: str | None,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("CXX", "/nonexistent/g++" if compiler is None else script(tmp_path / "cxx", compiler))
    with caplog.at_level(logging.INFO):
        assert not compiler_works("method.compile=false")
    assert [reason in record.message for record in caplog.records] == [True], caplog.text


def test_a_folder_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "file" / "below"))
    assert not compiler_works("method.compile=false")


@pytest.mark.skipif(not shutil.which("g++"), reason="no compiler here")
def test_the_probe_passes_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CXX", raising=False)
    assert compilation._fault() is None


class Broken(Exception):
    pass


def refuse(*_: object, **__: object) -> None:
    raise Broken("first line\nsecond line")


@pytest.fixture
def _failing_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilation, "_fault", lambda: None)
    monkeypatch.setattr(torch._dynamo, "lookup_backend", lambda name: refuse)


@pytest.mark.usefixtures("_failing_compiler")
def test_a_graph_that_the_compiler_fails_at_is_run_eager(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        compiled = compile_if_possible(double)
        x = torch.arange(3.0, requires_grad=True)
        y = compiled(x)
        y.sum().backward()
    assert y.tolist() == [0, 2, 4]
    assert x.grad is not None and x.grad.tolist() == [2, 2, 2]
    said = [record.message for record in caplog.records if record.levelno >= logging.INFO]
    assert [message for message in said if not message.startswith("Compiling")] == [
        "torch.compile failed (Broken: first line): running without it, as compile=false."
    ]


def test_the_compiler_does_not_tell_that_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilation, "_fault", lambda: None)
    assert compiler_works("method.compile=false")
    shown: list[str] = []
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", lambda record: shown.append(record.getMessage()))
    logger = logging.getLogger("torch.utils.cpp_extension")
    logger.addHandler(handler)
    try:
        logger.warning("No CUDA runtime is found, using CUDA_HOME='%s'", "/usr/local")
        logger.warning("The detected CUDA version mismatches")
    finally:
        logger.removeHandler(handler)
    assert shown == ["The detected CUDA version mismatches"]


@pytest.fixture
def _slow_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that takes a tenth of a second and changes nothing."""

    def compile_slowly(graph: torch.fx.GraphModule, inputs: object, **_: object) -> object:
        time.sleep(0.1)
        return graph.forward

    monkeypatch.setattr(compilation, "_fault", lambda: None)
    monkeypatch.setattr(torch._dynamo, "lookup_backend", lambda name: compile_slowly)


@pytest.mark.usefixtures("_slow_compiler")
def test_the_compiler_s_time_is_counted_and_its_start_is_told() -> None:
    told: list[float] = []
    before = CLOCK.seconds
    compiled = compile_if_possible(double)
    with CLOCK.reporting_to(lambda: told.append(CLOCK.seconds)):
        for _ in range(3):
            compiled(torch.ones(2))
    assert len(told) == 1, "the second call has nothing to compile"
    taken = CLOCK.seconds - before
    assert taken >= 0.1, "the backend alone slept so long"
    compiled(torch.ones(3))
    assert len(told) == 1, "nobody listens any more"
    assert CLOCK.seconds >= before + taken + 0.1, "another shape is compiled anew"
    assert CLOCK.seconds == CLOCK.seconds, "it stands still now"


@pytest.mark.usefixtures("_failing_compiler")
def test_a_network_that_the_compiler_fails_at_is_trained_eager() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    x = torch.rand(2, 1, 5, 5)
    expected = network(x)
    network[1].reset_running_stats()
    compile_network(network)
    torch.testing.assert_close(network(x), expected)
    assert network[1].num_batches_tracked == 1, "nothing may be computed twice"


@pytest.mark.usefixtures("_failing_compiler")
def test_where_dynamo_itself_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", refuse)
    assert compile_if_possible(double) is double


@pytest.mark.usefixtures("_failing_compiler")
def test_an_error_of_the_step_itself_is_the_step_s() -> None:
    def wrong(x: Tensor) -> Tensor:
        return x @ torch.ones(7)

    with pytest.raises((RuntimeError, torch._dynamo.exc.TorchDynamoException), match="7"):
        compile_if_possible(wrong)(torch.ones(3))


def test_it_pays_from_some_steps_on() -> None:
    for device, steps in PAYS_FROM_STEPS.items():
        assert worth_compiling("auto", steps, torch.device(device))
        assert not worth_compiling("auto", steps - 1, torch.device(device))
    assert not worth_compiling("auto", None, CPU)
    assert worth_compiling(True, 0, CPU)
    assert not worth_compiling(False, 10**6, CPU)


def test_the_setting() -> None:
    for accepted in ("auto", True, False):
        StyleGANProjConfig(compile=accepted)
    with pytest.raises(UnmaskError, match=r"method\.compile=maybe is not among auto, or true or false"):
        StyleGANProjConfig(compile="maybe")
    assert option_facts()["method.compile"].counted_as is True
