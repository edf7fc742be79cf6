"""Every script can be imported and says how it is used; those that can be quick do a little of their work."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import pytest
import torch

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
NAMES = sorted(path.stem for path in SCRIPTS.glob("*.py"))
SAMPLE = SCRIPTS.parent / "data" / "sample"
Script = Callable[..., str]
"""``run(name, *arguments)``: what the script prints."""


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Script]:
    def run(name: str, *arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *arguments])
        assert not importlib.import_module(name).main()
        return capsys.readouterr().out

    threads = torch.get_num_threads(), cv2.getNumThreads()
    monkeypatch.syspath_prepend(SCRIPTS)
    yield run
    torch.set_num_threads(threads[0])
    cv2.setNumThreads(threads[1])


@pytest.mark.parametrize("name", NAMES)
def test_a_script_says_how_it_is_used(
    name: str, script: Script, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = importlib.import_module(name)
    assert module.__doc__, "what it is for"
    source = (SCRIPTS / f"{name}.py").read_text(encoding="utf-8")
    runs = '__name__ == "__main__"' in source
    assert ("main" in vars(module)) == runs, "what can be run has a main"
    if runs and "argparse" in source:
        monkeypatch.setattr(sys, "argv", [f"{name}.py", "--help"])
        with pytest.raises(SystemExit) as left:
            module.main()
        assert left.value.code == 0
        assert f"usage: {name}.py" in capsys.readouterr().out


def test_the_installation_is_found_sound(script: Script) -> None:
    script("check_install")


@pytest.mark.parametrize("name", ["benchmark_training", "benchmark_stylegan2"])
def test_a_benchmark_tells_its_peak_memory(name: str, script: Script) -> None:
    which = ("layout", "--methods", "cyclegan") if name == "benchmark_training" else ("fp32",)
    printed = script(name, "--resolution", "32", "--only", *which)
    assert re.fullmatch(r"[1-9]\d*", printed.strip()), "megabytes"


@pytest.mark.weights
def test_occlusions_are_measured(script: Script, tmp_path: Path) -> None:
    found = json.loads(
        script("measure_occlusion", "--root", str(SAMPLE), "--limit", "2", "--worst", f"{tmp_path}/w.png")
    )
    assert found["n"] == 2
    assert (tmp_path / "w.png").is_file()
