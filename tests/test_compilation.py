"""torch.compile is used where it can work, and missed quietly where it cannot."""

import logging
import shutil

import pytest

from unmask.compilation import compile_if_possible


def test_without_a_compiler_the_function_itself_is_used_and_the_log_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)

    def double(x: float) -> float:
        return 2 * x

    with caplog.at_level(logging.INFO):
        assert compile_if_possible(double) is double
    assert "method.compile=false" in caplog.text
