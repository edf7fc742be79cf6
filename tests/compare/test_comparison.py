"""Means, differences and marks, against numbers known beforehand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from helpers.made_runs import make_run
from unmask.compare.comparison import Comparison, Entry, compare
from unmask.results.bootstrap import mean_interval
from unmask.results.read import read_run

COUNT = 40
EASE = np.linspace(10.0, 30.0, COUNT)
"""What makes some pictures easier than others, for every method alike."""


def comparison(
    tmp_path: Path, runs: dict[str, dict[str, list[float | None]]], *, sort: str = "hole/psnr", ids: int | None = None
) -> Comparison:
    read = [read_run(make_run(tmp_path / name, values)) for name, values in runs.items()]
    return compare(read, list(runs), read[0].ids[:ids], resolution=32, sort=sort)


def entries(found: Comparison, metric: str) -> dict[str, Entry]:
    return {row.name: row.entries[metric] for row in found.rows}


def test_means_are_of_the_compared_pictures_alone(tmp_path: Path) -> None:
    found = entries(comparison(tmp_path, {"one": {"hole/psnr": [1.0, 2.0, 6.0, 100.0]}}, ids=3), "hole/psnr")
    summary = found["one"].summary
    interval = mean_interval([1.0, 2.0, 6.0])
    assert (summary.mean, summary.ci95, summary.n) == (3.0, (interval.low, interval.high), 3)
    assert not found["one"].best  # there is no other


def test_a_small_constant_advantage_shows_in_pairs_though_the_intervals_overlap(tmp_path: Path) -> None:
    ahead = EASE + 0.5 + 0.1 * np.sin(np.arange(COUNT))
    found = entries(
        comparison(tmp_path, {"one": {"hole/psnr": EASE.tolist()}, "two": {"hole/psnr": ahead.tolist()}}), "hole/psnr"
    )
    one, two = found["one"], found["two"]
    assert one.summary.ci95 is not None and two.summary.mean is not None and two.summary.ci95 is not None
    assert one.summary.ci95[1] > two.summary.ci95[0]
    assert (two.best, two.indistinguishable) == (True, False)
    assert (one.best, one.indistinguishable) == (False, False)
    assert one.difference is not None and two.difference is not None
    expected = mean_interval((EASE - ahead).tolist())
    assert one.difference == expected
    assert expected.high < 0
    assert (two.difference.mean, two.difference.low, two.difference.high) == (0.0, 0.0, 0.0)


def test_what_is_ahead_by_chance_is_marked(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 2, COUNT)
    swapped = EASE + noise - noise.mean() + 0.01
    found = entries(
        comparison(tmp_path, {"one": {"hole/psnr": EASE.tolist()}, "two": {"hole/psnr": swapped.tolist()}}), "hole/psnr"
    )
    assert (found["two"].best, found["two"].indistinguishable) == (True, False)
    assert (found["one"].best, found["one"].indistinguishable) == (False, True)
    difference = found["one"].difference
    assert difference is not None and difference.low < 0 < difference.high
    assert difference.mean == pytest.approx(-0.01)


def test_runs_with_the_same_best_mean_are_both_the_best(tmp_path: Path) -> None:
    runs: dict[str, dict[str, list[float | None]]] = {
        "one": {"hole/lpips": [0.25, 0.5]},
        "two": {"hole/lpips": [0.5, 0.25]},
        "three": {"hole/lpips": [0.5, 0.75]},
    }
    found = entries(comparison(tmp_path, runs), "hole/lpips")
    assert {name for name, entry in found.items() if entry.best} == {"one", "two"}
    assert not found["one"].indistinguishable and not found["two"].indistinguishable


def test_nothing_is_best_where_all_are_alike(tmp_path: Path) -> None:
    runs: dict[str, dict[str, list[float | None]]] = {
        name: {"visible/max_abs_change": [0.0, 0.0]} for name in ("one", "two")
    }
    for entry in entries(comparison(tmp_path, runs), "visible/max_abs_change").values():
        assert (entry.best, entry.indistinguishable, entry.difference) == (False, False, None)


def test_differences_are_of_the_pictures_that_both_have(tmp_path: Path) -> None:
    runs: dict[str, dict[str, list[float | None]]] = {
        "one": {"hole/psnr": [1.0, None, 3.0, 4.0]},
        "two": {"hole/psnr": [2.0, 9.0, None, 8.0]},
        "none": {"hole/psnr": [None, None, None, None]},
        "apart": {"hole/psnr": [None, None, 5.0, None]},
    }
    found = entries(comparison(tmp_path, runs), "hole/psnr")
    difference = found["one"].difference
    assert difference is not None and difference.mean == -2.5
    assert (found["one"].summary.n, found["one"].summary.reason is None) == (3, False)
    assert (found["none"].summary.mean, found["none"].best, found["none"].indistinguishable) == (None, False, False)
    assert (found["apart"].difference, found["apart"].indistinguishable) == (None, True)


def test_one_picture_tells_nothing_apart(tmp_path: Path) -> None:
    found = entries(comparison(tmp_path, {"one": {"hole/psnr": [1.0]}, "two": {"hole/psnr": [9.0]}}), "hole/psnr")
    assert found["two"].best and found["one"].indistinguishable


def test_the_best_comes_first_and_what_has_no_value_last(tmp_path: Path) -> None:
    runs: dict[str, dict[str, list[float | None]]] = {
        "none": {"hole/psnr": [None], "hole/lpips": [None]},
        "low": {"hole/psnr": [1.0], "hole/lpips": [0.1]},
        "high": {"hole/psnr": [2.0], "hole/lpips": [0.2]},
    }
    assert [row.name for row in comparison(tmp_path, runs, sort="hole/psnr").rows] == ["high", "low", "none"]
    assert [row.name for row in comparison(tmp_path, runs, sort="hole/lpips").rows] == ["low", "high", "none"]


def test_time_is_the_median_of_the_compared_pictures(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path / "run", {"hole/psnr": [1.0] * 4}, seconds=[0.5, 60.0, 1.0, 2.0]))
    assert compare([run], ["run"], run.ids[:3], resolution=32, sort="hole/psnr").rows[0].seconds == 1.0
