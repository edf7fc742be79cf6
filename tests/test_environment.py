"""What a run was made with."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
import torch

from unmask import environment
from unmask.environment import write_environment

CPU = torch.device("cpu")


def written(path: Path) -> dict[str, object]:
    write_environment(path, CPU)
    facts = json.loads(path.read_text())
    assert isinstance(facts, dict)
    return facts


def test_a_first_start_has_nothing_before_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    facts = written(tmp_path / "environment.json")
    assert facts["earlier"] == []
    assert facts["threads"] == torch.get_num_threads()
    assert not caplog.records


def test_every_start_of_a_run_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "environment.json"
    first, second, third = written(path), written(path), written(path)
    starts = [{k: v for k, v in facts.items() if k != "earlier"} for facts in (first, second)]
    assert third["earlier"] == starts
    assert not caplog.records, "the same code made all of it"


@pytest.mark.parametrize("name", ["__version__", "commit"])
def test_going_on_with_other_code_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    path = tmp_path / "environment.json"
    monkeypatch.setattr(environment, "commit", lambda folder: "0123abc")
    written(path)
    monkeypatch.setattr(environment, name, "9.9" if name == "__version__" else lambda folder: "4567def")
    with caplog.at_level(logging.WARNING):
        facts = written(path)
    (record,) = caplog.records
    assert str(tmp_path) in record.getMessage()
    assert ("9.9" if name == "__version__" else "4567def") in record.getMessage()
    assert len(facts["earlier"]) == 1  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "[]", "{", '"words"'])
def test_unreadable_facts_do_not_stop_a_run(tmp_path: Path, text: str) -> None:
    path = tmp_path / "environment.json"
    path.write_text(text)
    assert written(path)["earlier"] == []
