"""What jobs of one process share is made once, and made anew when its recipe is another."""

from __future__ import annotations

import os
from pathlib import Path

from unmask.files import stamp
from unmask.shared import Shared


def test_made_once_for_a_recipe() -> None:
    shared, made = Shared(), []

    def make(what: str) -> str:
        made.append(what)
        return what

    assert shared.get("a", (1,), lambda: make("one")) == "one"
    assert shared.get("a", (1,), lambda: make("two")) == "one"
    assert shared.get("b", (1,), lambda: make("three")) == "three"
    assert shared.get("a", (2,), lambda: make("four")) == "four"
    assert shared.get("a", (1,), lambda: make("five")) == "five", "the newest of a kind is kept, and no other"
    assert made == ["one", "three", "four", "five"]


def test_a_file_that_was_replaced_is_another(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    assert stamp(path) is None and stamp(None) is None
    path.write_bytes(b"one")
    before = stamp(path)
    assert before is not None and before == stamp(str(path))
    path.write_bytes(b"three")
    assert stamp(path) != before
    path.write_bytes(b"two")
    os.utime(path, ns=(0, 0))
    assert stamp(path) != before
