"""Exchangeable answers are calibrated, answers too much alike are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from unmask.evaluation.calibration import calibration, covered, covered_in_hole, covered_mouth, nominal_shares
from unmask.evaluation.calibration_picture import draw_calibration
from unmask.faceanalysis import Mouth


def test_nominal_shares() -> None:
    assert nominal_shares(2) == pytest.approx([1 / 3])
    assert nominal_shares(5) == pytest.approx([4 / 6, 2 / 6])
    assert nominal_shares(8) == pytest.approx([7 / 9, 5 / 9, 3 / 9, 1 / 9])


def test_which_intervals_hold_the_truth() -> None:
    answers = np.array([3.0, 1.0, 4.0, 2.0])
    truths = [0.5, 1.5, 2.5, 3.5, 4.5]
    assert [covered(np.array(truth), answers).tolist() for truth in truths] == [[0, 0], [1, 0], [1, 1], [1, 0], [0, 0]]


def test_ties_are_broken_at_random() -> None:
    answers = np.array([1, 2, 2, 3])
    # ranks 0 or 1; 1, 2 or 3
    assert covered(np.array(1), answers).tolist() == [1 / 2, 0]
    assert covered(np.array(2), answers) == pytest.approx([1, 1 / 3])
    assert covered(np.array(5), np.full(4, 5)) == pytest.approx(nominal_shares(4))


@pytest.mark.parametrize("levels", [None, 3])
def test_exchangeable_answers_are_calibrated_with_ties_or_without(levels: int | None) -> None:
    rng = np.random.default_rng(0)
    shape = (6, 20000)
    draws = rng.normal(size=shape) if levels is None else rng.integers(levels, size=shape)
    # four standard errors of a share
    assert covered(draws[0], draws[1:]).mean(1) == pytest.approx(nominal_shares(5), abs=4 * 0.5 / 20000**0.5)


def test_a_shared_part_of_person_does_not_matter_but_too_little_spread_does() -> None:
    rng = np.random.default_rng(0)
    people, k = 400, 7
    person = rng.normal(size=people) * 3
    truth = person + rng.normal(size=people)
    honest = calibration(covered(truth, person + rng.normal(size=(k, people))).T, k)
    assert (honest.low <= honest.nominal + 0.03).all() and (honest.nominal - 0.03 <= honest.high).all()
    overconfident = calibration(covered(truth, person + 0.3 * rng.normal(size=(k, people))).T, k)
    assert (overconfident.high < overconfident.nominal).all()
    assert (honest.answers, honest.people) == (7, 400)


def test_pixels_in_the_hole_alone() -> None:
    clean = torch.zeros(3, 8, 8)
    hole = torch.zeros(1, 8, 8)
    hole[:, 4:] = 1
    offsets = torch.tensor([-0.3, -0.1, 0.1, 0.3]).view(4, 1, 1, 1)
    answers = clean + offsets
    answers[:, :, :4] = 0.9
    assert covered_in_hole(clean, answers, hole).tolist() == [1, 1]
    clean[:, 6:] = 0.2  # half the hole between the third and fourth answer
    assert covered_in_hole(clean, answers, hole).tolist() == [1, 0.5]
    assert np.isnan(covered_in_hole(clean, answers, hole * 0)).all()


def test_mouths() -> None:
    answers = [Mouth(0.1, 0.5, -0.1), Mouth(0.3, 0.6, 0.1)]
    found = covered_mouth(Mouth(0.2, 0.9, 0.0), answers)
    assert {name: shares.tolist() for name, shares in found.items()} == {"opening": [1], "width": [0], "smile": [1]}


def test_people_without_a_value_are_left_out() -> None:
    people = np.array([[1.0, 1.0], [0.0, 0.0], [np.nan, np.nan]])
    table = calibration(people, 4)
    assert table.observed == pytest.approx([0.5, 0.5])
    assert table.people == 2


def test_the_picture_is_written(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = calibration(rng.uniform(size=(10, 3)), 7)
    path = tmp_path / "calibration.png"
    draw_calibration({"smile": table, "pixels": table}, path)
    assert path.stat().st_size > 10_000
