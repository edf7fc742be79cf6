"""What the linear classifier's scores are for sets that are told apart, and for sets that are not."""

from __future__ import annotations

import numpy as np
import pytest

from unmask.evaluation.discriminability import discriminability


def test_sets_far_apart_are_told_apart_and_one_set_is_not() -> None:
    rng = np.random.default_rng(0)
    real = rng.normal(size=(300, 4))
    apart = discriminability(real + np.array([9, 0, 0, 0]), real)
    assert (apart.p_ids, apart.u_ids, apart.warning) == (0.0, 0.0, None)
    alike = discriminability(rng.normal(size=(300, 4)), real)
    assert alike.p_ids == pytest.approx(0.5, abs=0.1)
    assert alike.u_ids == pytest.approx(0.5, abs=0.1)


def test_a_shift_of_every_pair_shows_in_pairs_but_not_in_the_whole() -> None:
    rng = np.random.default_rng(0)
    real = rng.normal(size=(400, 2)) * [10, 1]
    found = discriminability(real + np.array([0.5, 0.0]), real)
    assert found.p_ids == 0.0
    assert found.u_ids > 0.4


def test_in_one_dimension_the_plane_is_the_middle() -> None:
    rng = np.random.default_rng(0)
    real, generated = rng.normal(0, 1, size=(2000, 1)), rng.normal(2, 1, size=(2000, 1))
    found = discriminability(generated, real)
    # Φ(-1) are on the wrong side of the middle; a generated one is below its own real one with Φ(-√2)
    assert found.u_ids == pytest.approx(0.1587, abs=0.02)
    assert found.p_ids == pytest.approx(0.0786, abs=0.02)


def test_the_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    truth, held, widths = 0.0786, 0, []  # of P-IDS, see above
    for _ in range(40):
        real, generated = rng.normal(0, 1, size=(150, 1)), rng.normal(2, 1, size=(150, 1))
        found = discriminability(generated, real).p_ids_ci95
        assert found is not None
        held += found[0] <= truth <= found[1]
        widths.append(found[1] - found[0])
    assert 34 <= held <= 40
    assert np.mean(widths) == pytest.approx(2 * 2.26 * np.sqrt(truth * (1 - truth) / 150), rel=0.25)  # if independent


def test_intervals_are_the_same_again_and_depend_on_the_seed() -> None:
    rng = np.random.default_rng(0)
    real, generated = rng.normal(0, 1, size=(60, 2)), rng.normal(1, 1, size=(60, 2))
    assert discriminability(generated, real) == discriminability(generated, real)
    assert discriminability(generated, real).u_ids_ci95 != discriminability(generated, real, seed=1).u_ids_ci95
    few = discriminability(generated[:15], real[:15])
    assert (few.p_ids_ci95, few.u_ids_ci95, few.warning) == (None, None, None)


def test_with_few_pictures_anything_is_told_apart_and_it_says_so() -> None:
    rng = np.random.default_rng(0)
    real, generated = rng.normal(size=(2, 30, 100)) * 10
    found = discriminability(generated, real)
    assert found.u_ids == 0.0
    assert found.p_ids_ci95 is None and found.u_ids_ci95 is None
    assert found.warning is not None and "30 pairs are too few for 100 features" in found.warning


def test_a_classifier_that_did_not_end_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    from sklearn.svm import LinearSVC

    monkeypatch.setattr(LinearSVC.__init__, "__kwdefaults__", {**LinearSVC.__init__.__kwdefaults__, "max_iter": 1})
    real, generated = rng.normal(size=(2, 300, 20)) * np.geomspace(1e-2, 1e2, 20)
    warning = discriminability(generated, real).warning
    assert warning is not None and "1 iterations" in warning
