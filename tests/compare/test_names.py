"""Labels name every difference that matters, and none that does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from helpers.made_runs import make_run
from unmask.compare.names import Labels, label_runs
from unmask.results.read import read_run


def labels(tmp_path: Path, *runs: tuple[str, str, dict[str, Any]]) -> Labels:
    """The labels of runs given by directory, method and configuration."""
    return label_runs(
        [
            read_run(make_run(tmp_path / folder, {"hole/psnr": [1.0]}, method=method, config=config))
            for folder, method, config in runs
        ]
    )


def names(tmp_path: Path, *runs: tuple[str, str, dict[str, Any]]) -> tuple[str, ...]:
    found = labels(tmp_path, *runs)
    assert not found.footnotes
    return found.names


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
    assert found == ("proj", "study/mse proj", "study/mse copy")


def test_every_influential_difference_is_named(tmp_path: Path) -> None:
    """A label that named weight alone would pass off the steps' doing as the weight's."""
    found = names(
        tmp_path,
        ("a", "proj", method(weight=0.2, steps=5) | {"device": "cpu", "evaluation": {"grid_rows": 3}}),
        ("b", "proj", method(weight=0.4, steps=5) | {"device": "cuda", "evaluation": {"grid_rows": 4}}),
        ("c", "proj", method(weight=0.8, steps=6) | {"device": "mps"}),
        ("d", "copy", {}),
    )
    assert found == ("proj weight=0.2, steps=5", "proj weight=0.4, steps=5", "proj weight=0.8, steps=6", "copy")


def test_what_means_the_same_to_every_method_is_named_across_methods(tmp_path: Path) -> None:
    found = names(
        tmp_path,
        ("a", "proj", method(lr=1) | {"seed": 1, "data": {"limit": 3}}),
        ("b", "inpaint", method(radius=2) | {"seed": 2, "data": {"limit": 4}}),
    )
    assert found == ("proj seed=1", "inpaint seed=2"), "the compared pictures are the same, whatever chose them"


def test_what_a_method_learnt_from_counts(tmp_path: Path) -> None:
    learns = {"method": {"checkpoint": None}}
    found = names(
        tmp_path,
        ("a", "gan", learns | {"training": {"lr": 0.1}, "data": {"root": "x"}}),
        ("b", "gan", learns | {"training": {"lr": 0.2}, "data": {"root": "y"}}),
    )
    assert {label.partition(" ")[2] for label in found} == {"root=x, lr=0.1", "root=y, lr=0.2"}


def test_the_study_s_weight_has_its_short_name_and_old_runs_their_value(tmp_path: Path) -> None:
    found = names(
        tmp_path,
        ("a", "proj", method(lambda_perceptual=0.2)),
        ("b", "proj", method(lambda_perceptual=0.2, tune_steps=20)),
    )
    assert found == ("proj tune_steps=0", "proj tune_steps=20"), "0 is what versions without the option did"


def test_a_trained_run_beside_a_checkpoint_says_no_more_than_that(tmp_path: Path) -> None:
    training = {"training": {"lr": 0.1, "epochs": 3}, "data": {"root": "x"}}
    found = names(
        tmp_path,
        ("a", "gan", {"method": {"checkpoint": None}} | training),
        ("b", "gan", {"method": {"checkpoint": "pretrained"}} | training),
    )
    assert found == ("gan checkpoint=None", "gan checkpoint=pretrained")


def test_long_labels_are_footnotes(tmp_path: Path) -> None:
    many = {f"option_number_{index}": index for index in range(6)}
    found = labels(tmp_path, ("a", "proj", method(**many)), ("b", "proj", method(**dict.fromkeys(many, 9))))
    assert found.names == ("proj [1]", "proj [2]")
    assert found.footnotes[0] == ", ".join(f"{key}={value}" for key, value in many.items())


def test_a_sweep_of_an_experiment_keeps_its_name(tmp_path: Path) -> None:
    sweep = {"experiment": "study/sweep"}
    found = names(
        tmp_path, ("a", "proj", sweep | method(weight=1)), ("b", "proj", sweep | method(weight=2)), ("c", "proj", {})
    )
    assert found == ("study/sweep weight=1", "study/sweep weight=2", "proj")


def test_the_directory_where_nothing_differs(tmp_path: Path) -> None:
    assert names(tmp_path, ("a/run", "copy", {}), ("b/other", "copy", {})) == ("copy run", "copy other")
    assert names(tmp_path, ("c/run", "copy", {}), ("d/run", "copy", {})) == ("copy c/run", "copy d/run")
