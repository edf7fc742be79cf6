"""Every option of every method, and what kind of value it has."""

from __future__ import annotations

import pytest

from unmask import every_option
from unmask.config import SCHEMAS
from unmask.every_option import option_kinds


def test_numbers_and_truth_values_are_one_kind_and_everything_else_the_other() -> None:
    kinds = option_kinds()
    assert kinds["data.limit"] is kinds["evaluation.identity"] is kinds["method.lambda_perceptual"] is float
    assert kinds["method.radius"] is kinds["seed"] is float
    assert kinds["method.init"] is kinds["data.ids"] is kinds["data.clean_dir"] is kinds["experiment"] is str
    assert "method" not in kinds and "data" not in kinds


def test_methods_that_disagree_about_a_key_make_it_text(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other:
        steps: str = "many"
        radius: int | None = None

    monkeypatch.setattr(every_option, "SCHEMAS", (*SCHEMAS, ("method", "other", Other)))
    assert option_kinds()["method.steps"] is str
    assert option_kinds()["method.radius"] is float
