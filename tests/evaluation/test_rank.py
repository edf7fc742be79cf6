"""Who is nearest to whom."""

from __future__ import annotations

import numpy as np

from unmask.evaluation import rank
from unmask.evaluation.rank import rank1

CLEAN = np.eye(4, 6)


def test_own_picture_nearest_is_a_hit_whatever_the_lengths() -> None:
    assert rank1(CLEAN * [[3.0], [1.0], [0.1], [7.0]], CLEAN).tolist() == [1, 1, 1, 1]
    assert rank1(CLEAN[[1, 0, 2, 3]], CLEAN).tolist() == [0, 0, 1, 1]


def test_a_tie_is_a_miss() -> None:
    assert rank1(np.ones((3, 2)), np.ones((3, 2))).tolist() == [0, 0, 0]
    twice = CLEAN[[0, 0, 1, 2]]
    assert rank1(twice, twice).tolist() == [0, 0, 1, 1]


def test_without_a_face_there_is_no_value_and_no_rival() -> None:
    clean = CLEAN.copy()
    generated = CLEAN[[0, 0, 2, 3]].copy()
    clean[0] = np.nan
    generated[2] = np.nan
    assert np.array_equal(rank1(generated, clean), [np.nan, 0, np.nan, 1], equal_nan=True)
    # picture 1 looks like 0, who is not there; among the others its own is the nearest
    generated[1] = CLEAN[0] + 0.1 * CLEAN[1]
    assert rank1(generated, clean)[1] == 1


def test_blocks_change_nothing_and_a_loop_agrees(monkeypatch) -> None:
    rng = np.random.default_rng(0)
    clean = rng.normal(size=(50, 8))
    generated = clean + rng.normal(size=(50, 8)) * 1.5
    whole = rank1(generated, clean)
    monkeypatch.setattr(rank, "BLOCK", 7)
    assert np.array_equal(rank1(generated, clean), whole)
    for i, vector in enumerate(generated):
        cosines = [vector @ one / np.linalg.norm(one) for one in clean]
        assert whole[i] == (int(np.argmax(cosines)) == i)
    assert 0 < whole.mean() < 1
