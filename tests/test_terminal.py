"""Printing takes every character everywhere, and never decides whether a program succeeds."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from helpers.command import QUICK, write_pair_tree
from unmask.terminal import _steady, steady_streams


def written_as(encoding: str, tmp_path: Path, *words: str) -> bytes:
    path = tmp_path / "printed"
    with path.open("w", encoding=encoding) as file:
        stream = _steady(file)
        for each in words:
            stream.write(each)
        stream.flush()
        return path.read_bytes()


@pytest.fixture(autouse=True)
def _as_a_program_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever test comes first: the way characters are spelt is made known then."""
    monkeypatch.setattr(logging, "raiseExceptions", logging.raiseExceptions)
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    steady_streams()


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8", "utf-16"])
def test_every_character_is_taken(encoding: str, tmp_path: Path) -> None:
    printed = written_as(encoding, tmp_path, "hole/lpips ↓ λ→ß 顔 \ud800\n").decode(encoding)
    assert printed.startswith("hole/lpips ")
    if encoding == "ascii":
        assert printed == "hole/lpips v lambda->\\xdf \\u9854 \\ud800\n"
    if encoding == "cp1252":
        assert printed == "hole/lpips v lambda->ß \\u9854 \\ud800\n"
    if encoding == "utf-8":
        assert printed == "hole/lpips ↓ λ→ß 顔 \\ud800\n"


def test_tables_have_lines_that_the_encoding_has(tmp_path: Path) -> None:
    with (tmp_path / "printed").open("w", encoding="cp1252") as file:
        table = Table("metric ↓")
        table.add_row("0.1")
        Console(file=_steady(file)).print(table)
    printed = (tmp_path / "printed").read_text(encoding="cp1252")
    assert "metric v" in printed and "\\u" not in printed


def test_a_reader_that_has_left_and_a_full_disk_lose_only_the_words() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w", encoding="utf-8") as broken:
        stream = _steady(broken)
        stream.write("lost\n" * 10_000)
        stream.flush()
    if Path("/dev/full").exists():
        with Path("/dev/full").open("w", encoding="utf-8") as full:
            stream = _steady(full)
            stream.write("lost\n" * 10_000)
            stream.flush()


def test_closed_streams_and_those_of_somebody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    other = io.StringIO()
    monkeypatch.setattr(sys, "stderr", other)
    steady_streams()
    print("nobody reads this")
    assert sys.stderr is other


@pytest.mark.slow
def test_a_sweep_and_its_comparison_succeed_in_any_encoding(tmp_path: Path) -> None:
    write_pair_tree(tmp_path / "pairs", 1)
    sweep = ("unmask.run", "-m", "method=inpaint", "method.radius=3,5", "data.root=pairs", *QUICK)
    for encoding, command in (("cp1252", (*sweep, "hydra.sweep.dir=out")), ("ascii", ("unmask.compare", "out"))):
        done = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=tmp_path,
            env=os.environ | {"PYTHONIOENCODING": encoding},
            capture_output=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
    assert len((tmp_path / "out" / "summary.csv").read_text().splitlines()) == 3
