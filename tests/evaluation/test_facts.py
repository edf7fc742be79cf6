"""What was found out about a clean face is found again, and only of that very picture."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from unmask import faceanalysis
from unmask.config_dir import CHECKOUT
from unmask.evaluation import facts
from unmask.evaluation.facts import Facts
from unmask.evaluation.truth import Truth
from unmask.faces import Original
from unmask.images import load_image

SAMPLE = CHECKOUT / "data" / "sample" / "ffhq" / "00000"
NETWORKS = ("main_face", "embed", "embed_sface", "landmarks106")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("UNMASK_FACES", str(tmp_path))
    return tmp_path


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The networks that were asked, in order."""
    names: list[str] = []

    def noted(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            names.append(name)
            return function(*arguments)

        return call

    for name in NETWORKS:
        monkeypatch.setattr(faceanalysis, name, noted(name, getattr(faceanalysis, name)))
    return names


def person(index: int = 0) -> Original:
    picture = load_image(sorted(SAMPLE.iterdir())[index], 256)
    return Original(str(index), picture, picture)


def told(truth: Truth) -> list[np.ndarray]:
    assert truth.face is not None
    face = [truth.face.box, truth.face.points, np.array(truth.face.score)]
    return [*face, truth.embedding, truth.sface, truth.landmarks]


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.weights
def test_the_second_time_no_network_is_asked_and_every_bit_is_the_same(folder: Path, asked: list[str]) -> None:
    alone = told(Truth(person()))
    asked.clear()
    first = Truth.remembered(person())
    assert same(told(first), alone)
    assert sorted(asked) == sorted(NETWORKS)
    first.facts.keep()
    asked.clear()
    assert same(told(Truth.remembered(person())), alone)
    assert asked == []
    assert not same(told(Truth.remembered(person(1))), alone)
    assert sorted(asked) == sorted(NETWORKS), "another picture is another matter"


@pytest.mark.weights
def test_a_picture_without_a_face_is_remembered_too(folder: Path, asked: list[str]) -> None:
    nobody = Original("", torch.zeros(3, 64, 64), torch.zeros(3, 64, 64))
    for _ in range(2):
        truth = Truth.remembered(nobody)
        assert truth.face is None
        truth.facts.keep()
    assert asked == ["main_face"]


def test_what_is_known_grows_and_what_is_damaged_is_found_again(folder: Path) -> None:
    picture = torch.zeros(3, 8, 8)
    for name, value in (("one", 1.0), ("other", 2.0)):
        some = Facts.of(picture)
        some.get(name, lambda value=value: np.full(3, value))  # type: ignore[misc]
        some.keep()
    assert Facts.of(picture).get("one", np.zeros)[0] == 1
    assert Facts.of(picture).get("other", np.zeros)[0] == 2
    (path,) = folder.rglob("*.npz")
    path.write_bytes(path.read_bytes()[:100])
    again = Facts.of(picture)
    assert again.get("one", lambda: np.full(3, 5.0))[0] == 5
    again.keep()
    assert Facts.of(picture).get("one", np.zeros)[0] == 5


def test_other_networks_and_versions_know_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some = Facts.of(torch.zeros(3, 8, 8))
    some.get("one", lambda: np.ones(1))
    some.keep()
    monkeypatch.setattr(facts, "recipe", lambda: ("another network",))
    assert Facts.of(torch.zeros(3, 8, 8)).get("one", lambda: np.zeros(1))[0] == 0


def test_without_room_measuring_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("UNMASK_FACES", str(tmp_path / "file"))
    some = Facts.of(torch.zeros(3, 8, 8))
    assert some.get("one", lambda: np.ones(1))[0] == 1
    with caplog.at_level(logging.DEBUG, "unmask"):
        some.keep()
    assert "cannot be written" in caplog.text


def test_unasked_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNMASK_FACES", raising=False)
    monkeypatch.setenv("UNMASK_CACHE", str(tmp_path))
    some = Facts.of(torch.zeros(3, 8, 8))
    assert some.get("one", lambda: np.ones(1))[0] == 1
    some.keep()
    assert not list(tmp_path.rglob("*"))
    assert Facts.of(torch.zeros(3, 8, 8)).get("one", lambda: np.zeros(1))[0] == 0
