"""Learning rates against the reference program's, and how steps squeeze them."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.golden_arrays import Arrays
from unmask.config import LearningRatePolicy, TrainingConfig
from unmask.errors import UnmaskError
from unmask.training.schedule import TrainingSchedule

POLICIES = {
    "linear_100_100": TrainingConfig(epochs=100, decay_epochs=100),
    "linear_5_5": TrainingConfig(epochs=5, decay_epochs=5),
    "step_3": TrainingConfig(lr_policy=LearningRatePolicy.step, lr_step_epochs=3),
    "cosine_10": TrainingConfig(lr_policy=LearningRatePolicy.cosine, epochs=10, decay_epochs=0),
}


@pytest.mark.parametrize("name", POLICIES)
def test_equals_the_reference(name: str, golden: Path) -> None:
    expected = Arrays(golden, "lr_schedules").tensor(f"out.lr.{name}").tolist()
    course = TrainingSchedule(POLICIES[name], steps_per_epoch=7)
    # The reference's rate falls between epochs; ours is asked for at the first and the last step of each.
    for place in (0, 6):
        rates = [course.learning_rate(7 * epoch + place) for epoch in range(len(expected))]
        # the arrays' README: schedules to 1e-6; and 0 against 1e-20
        assert rates == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_max_steps_squeezes_the_course() -> None:
    course = TrainingSchedule(TrainingConfig(max_steps=400, epochs=100, decay_epochs=100), steps_per_epoch=999)
    assert course.steps == 400
    rates = [course.learning_rate(step) for step in range(400)]
    assert rates[:200] == [2e-4] * 200
    assert rates[-1] == pytest.approx(2e-4 / 101)
    assert sorted(rates, reverse=True) == rates


def test_whole_epochs_without_max_steps() -> None:
    assert TrainingSchedule(TrainingConfig(epochs=2, decay_epochs=3), steps_per_epoch=10).steps == 50


@pytest.mark.parametrize("wrong", [{"epochs": 0, "decay_epochs": 0}, {"epochs": -1}, {"max_steps": 0}])
def test_a_senseless_course_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UnmaskError, match=rf"training\.{next(iter(wrong))}"):
        TrainingSchedule(TrainingConfig(**wrong), steps_per_epoch=1)
