"""The pool against the reference program's sequence of pictures, and that it can be put away and taken out again."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
import torch

from helpers.golden_arrays import Arrays
from unmask.methods.image_pool import ImagePool


@pytest.mark.parametrize("name", ["pool0_batch2", "pool3_batch1", "pool3_batch2", "pool50_batch1"])
def test_equals_the_reference(name: str, golden: Path) -> None:
    arrays = Arrays(golden, "image_pool")
    size = int(re.findall(r"\d+", name)[0])
    pool = ImagePool(size, seed=0)
    given, returned = arrays.tensor(f"{name}.in"), arrays.tensor(f"{name}.out")
    for batch, expected in zip(given, returned, strict=True):
        assert torch.equal(pool.exchange(batch[:, None, None, None])[:, 0, 0, 0], expected)


def test_a_resumed_pool_goes_on_as_the_uninterrupted_one() -> None:
    pictures = torch.arange(60.0).view(60, 1, 1, 1)
    whole, first, second = ImagePool(5, 3), ImagePool(5, 3), ImagePool(5, 99)
    expected = [whole.exchange(picture[None]) for picture in pictures]
    made = [first.exchange(picture[None]) for picture in pictures[:30]]
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second.load_state_dict(torch.load(file, weights_only=True))
    made += [second.exchange(picture[None]) for picture in pictures[30:]]
    assert all(torch.equal(a, b) for a, b in zip(made, expected, strict=True))
    assert len({float(picture) for picture in made}) < 60  # some were seen twice


def test_pictures_come_back_without_their_history() -> None:
    picture = torch.zeros(1, 3, 2, 2, requires_grad=True)
    assert not ImagePool(0).exchange(picture * 2).requires_grad
    assert not ImagePool(2).exchange(picture * 2).requires_grad
