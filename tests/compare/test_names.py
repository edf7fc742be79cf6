"""Names are as short as tells the runs apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from made_runs import make_run

from unmask.compare.names import name_runs
from unmask.compare.runs import read_run


def names(tmp_path: Path, *runs: tuple[str, str, dict[str, Any]]) -> tuple[str, ...]:
    """The names of runs given by directory, method and configuration."""
    return name_runs(
        [
            read_run(make_run(tmp_path / folder, {"hole/psnr": [1.0]}, method=method, config=config))
            for folder, method, config in runs
        ]
    )


def method(**settings: object) -> dict[str, Any]:
    return {"method": settings}


def test_the_method_where_that_is_enough(tmp_path: Path) -> None:
    assert names(tmp_path, ("a", "copy", method(radius=1)), ("b", "inpaint", method(radius=2))) == ("copy", "inpaint")


def test_the_experiment_where_a_method_has_several(tmp_path: Path) -> None:
    found = names(
        tmp_path,
        ("a", "proj", {}),
        ("b", "proj", {"experiment": "study/mse"} | method(lr=0.1)),
        ("c", "copy", {"experiment": "study/mse"}),
    )
    assert found == ("proj", "study/mse", "copy")


def test_the_fewest_keys_that_differ(tmp_path: Path) -> None:
    one = names(
        tmp_path,
        ("a", "proj", method(weight=0.2, steps=5) | {"device": "cpu"}),
        ("b", "proj", method(weight=0.4, steps=5) | {"device": "cuda"}),
        ("c", "proj", method(weight=0.8, steps=6) | {"device": "mps"}),
    )
    assert one == ("proj weight=0.2", "proj weight=0.4", "proj weight=0.8")
    two = names(
        tmp_path / "two",
        ("a", "proj", method(weight=0.2, steps=5)),
        ("b", "proj", method(weight=0.4, steps=5)),
        ("c", "proj", method(weight=0.4, steps=6)),
    )
    assert two == ("proj weight=0.2 steps=5", "proj weight=0.4 steps=5", "proj weight=0.4 steps=6")


def test_a_sweep_of_an_experiment_keeps_its_name(tmp_path: Path) -> None:
    sweep = {"experiment": "study/sweep"}
    found = names(
        tmp_path, ("a", "proj", sweep | method(weight=1)), ("b", "proj", sweep | method(weight=2)), ("c", "proj", {})
    )
    assert found == ("study/sweep weight=1", "study/sweep weight=2", "proj")


def test_the_directory_where_nothing_differs(tmp_path: Path) -> None:
    assert names(tmp_path, ("a/run", "copy", {}), ("b/other", "copy", {})) == ("copy run", "copy other")
    assert names(tmp_path, ("c/run", "copy", {}), ("d/run", "copy", {})) == ("copy c/run", "copy d/run")
