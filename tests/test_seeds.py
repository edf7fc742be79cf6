"""Every random number of a run is drawn as in version 0.1.0, whose results can be had again."""

from __future__ import annotations

import pytest
import torch

from unmask.data import split_of
from unmask.seeds import Stream, generator_at, hashed, picture_generators, step_seed


def test_seeds_stay_what_they_were() -> None:
    found = [
        generator.initial_seed() for purpose in ("", "noise") for generator in picture_generators(3, ["00002"], purpose)
    ]
    assert found == [60411458241952667, 32215446214311847]
    assert hashed("00002", 4) == 1388793000
    assert step_seed(5, 7, 1) == 3175104804498644908
    assert generator_at(5, Stream.partner, 2, 9).integers(2**31) == 1424181222
    assert hashed("0/00002", 8) / 2**64 == 0.3103776672384675
    assert split_of("00002", seed=0, val_fraction=0.1, test_fraction=0.32).value == "test"
    drawn = torch.randn(2, generator=picture_generators(3, ["00002"], "noise")[0])
    assert drawn.tolist() == pytest.approx([0.15813861787319183, -0.3538776934146881])


def test_pictures_have_seeds_of_their_own_whatever_is_beside_them() -> None:
    seeds = [
        generator.initial_seed()
        for seed in (0, 1)
        for purpose in ("", "noise", "sample/1")
        for generator in picture_generators(seed, ["00001", "00002"], purpose)
    ]
    assert len(set(seeds)) == 12
    assert picture_generators(0, ["00002"])[0].initial_seed() == seeds[1]
