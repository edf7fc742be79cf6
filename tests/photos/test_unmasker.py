"""The Python API on photos with the sample's people."""

from __future__ import annotations

import doctest
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import unmask.photos.unmasker as module
from helpers.sample_scenes import person, scene
from unmask.errors import UnmaskError
from unmask.photos import Progress, Unmasker
from unmask.photos.scene import backdrop, quad_at
from unmask.photos.settings import settings_of

pytestmark = pytest.mark.weights
TWO = [(1, quad_at(300, 330, 400, 6)), (2, quad_at(740, 300, 360, -8))]


@pytest.fixture(scope="module")
def unmasker() -> Unmasker:
    return Unmasker("feed_forward", "cpu")


def test_two_people_and_nothing_else_changes(unmasker: Unmasker) -> None:
    two = scene(TWO)
    result = unmasker(two.masked)
    assert [face.found.skipped for face in result.faces] == [None, None]
    assert [face.found.index for face in result.faces] == [0, 1]
    assert result.faces[0].found.box[0] < result.faces[1].found.box[0]
    after = np.asarray(result.image)
    np.testing.assert_array_equal(after[~result.filled], two.masked[~result.filled])
    # what was drawn over is filled, and little else
    covered = (result.filled & two.occlusion).sum() / two.occlusion.sum()
    assert covered > 0.97
    assert (result.filled & ~two.occlusion).sum() < 0.35 * two.occlusion.sum()
    # closer to the truth than the masks are
    error = np.abs(after.astype(float) - two.clean)[two.occlusion].mean()
    assert error < 0.5 * np.abs(two.masked.astype(float) - two.clean)[two.occlusion].mean()


def test_finding_alone_agrees(unmasker: Unmasker) -> None:
    two = scene(TWO)
    found = unmasker.find(Image.fromarray(two.masked))
    assert len(found.faces) == 2 and all(face.skipped is None for face in found.faces)
    both = (found.occlusion & two.occlusion).sum() / (found.occlusion | two.occlusion).sum()
    assert both > 0.9


def test_the_same_call_gives_the_same_photo(unmasker: Unmasker) -> None:
    photo = scene(TWO[:1]).masked
    np.testing.assert_array_equal(np.asarray(unmasker(photo).image), np.asarray(unmasker(photo).image))


def test_a_face_without_a_mask_is_left_alone(unmasker: Unmasker) -> None:
    result = unmasker(scene(TWO[:1]).clean)
    assert result.faces[0].found.skipped == "It wears no face mask."
    assert not result.filled.any()


def test_faces_are_chosen_by_number(unmasker: Unmasker) -> None:
    photo = scene(TWO).masked
    result = unmasker(photo, faces=[1])
    assert result.faces[0].found.skipped == "It was not asked for."
    assert result.faces[1].found.skipped is None
    assert not result.filled[:, :500].any()
    with pytest.raises(UnmaskError, match="no face 5 in the photo; it has 2"):
        unmasker(photo, faces=[5])


def test_a_painted_map_is_taken_as_it_is(unmasker: Unmasker, tmp_path: Path) -> None:
    two = scene(TWO)
    painted = np.zeros(two.occlusion.shape, np.uint8)
    painted[:, :520][two.occlusion[:, :520]] = 255
    path = tmp_path / "map.png"
    Image.fromarray(painted).save(path)
    for given in (painted, painted > 0, Image.fromarray(painted), path):
        result = unmasker(two.masked, occlusion=given)
        assert result.faces[1].found.skipped == "The map that was given hides nothing of it."
        assert (result.filled & (painted > 0)).sum() > 0.97 * (painted > 0).sum()
    with pytest.raises(UnmaskError, match="is 30x20 and the photo 1000x700"):
        unmasker(two.masked, occlusion=np.ones((20, 30)))
    with pytest.raises(UnmaskError, match="Nothing is painted"):
        unmasker(two.masked, occlusion=np.zeros((700, 1000)))


def test_several_answers_differ_in_the_hole_alone(unmasker: Unmasker) -> None:
    photo = scene(TWO[:1]).masked
    result = unmasker(photo, answers=2)
    one, other = (np.asarray(answer) for answer in result.answers)
    assert (one != other)[result.filled].mean() > 0.3
    np.testing.assert_array_equal(one[~result.filled], other[~result.filled])
    assert len(result.faces[0].answers) == 2
    np.testing.assert_array_equal(one, np.asarray(unmasker(photo).image))


def test_progress_rises_and_stops_the_call_by_raising(unmasker: Unmasker) -> None:
    photo, told = scene(TWO).masked, []
    unmasker(photo, on_progress=told.append)
    fractions = [one.fraction for one in told]
    assert fractions == sorted(fractions) and fractions[-1] == 1.0
    assert told[-1] == Progress(2, 2, 1, 1, 1.0)

    class Enough(Exception):
        pass

    def stop(progress: Progress) -> None:
        raise Enough

    with pytest.raises(Enough):
        unmasker(photo, on_progress=stop)


def test_a_photo_without_people(unmasker: Unmasker) -> None:
    result = unmasker(backdrop(300, 400, 1))
    assert result.faces == () and "No face was found" in result.warnings[-1]
    assert not result.filled.any()


def test_pix2pix_and_overrides() -> None:
    photo = scene(TWO[:1]).masked
    result = Unmasker("pix2pix", "cpu")(photo)
    assert result.filled.any()
    with pytest.raises(UnmaskError, match="pix2pix gives one answer"):
        Unmasker("pix2pix")(photo, answers=2)
    unseamed = Unmasker("feed_forward", "cpu", ["occlusion.seam=0", "occlusion.grow=false"])(photo)
    assert unseamed.filled.sum() < result.filled.sum()


def test_other_photographs_of_the_person_change_what_is_generated(unmasker: Unmasker, tmp_path: Path) -> None:
    one = scene(TWO[:1])
    plain, mine = unmasker(one.masked), unmasker(one.masked, references=[one.clean])
    assert np.array_equal(plain.filled, mine.filled)
    assert not np.array_equal(np.asarray(plain.image), np.asarray(mine.image))
    assert mine.faces[0].found.warnings == plain.faces[0].found.warnings
    other = scene([(2, quad_at(300, 330, 400, 6))]).clean
    told = unmasker(one.masked, references=[one.clean, other]).faces[0].found.warnings
    assert "reference 2 seems to show somebody else" in told[-1]
    with pytest.raises(UnmaskError, match="faces 0, 1 wear face masks: name one"):
        unmasker(scene(TWO).masked, references=[one.clean])
    with pytest.raises(UnmaskError, match="pix2pix makes no use of other photographs"):
        Unmasker("pix2pix")(one.masked, references=[one.clean])


@pytest.mark.slow
def test_projection_takes_the_overrides_that_runs_take() -> None:
    steps = []
    projected = Unmasker("stylegan_proj", "cpu", ["method.w_steps=2", "method.steps=1"])
    result = projected(scene(TWO[:1]).masked, on_progress=steps.append)
    assert result.filled.any()
    assert len(steps) >= 4  # the start, three steps, the end


def test_mistakes_are_told_at_once() -> None:
    with pytest.raises(UnmaskError, match="no method 'magic' for photos; choose one of feed_forward"):
        Unmasker("magic")
    with pytest.raises(UnmaskError, match="w_stepz"):
        Unmasker("stylegan_proj", overrides=["method.w_stepz=3"])
    assert settings_of("feed_forward", 1, Unmasker(seed=3, overrides=["device=cpu"]).overrides).seed == 3
    with pytest.raises(UnmaskError, match="0 answers"):
        Unmasker()(person(0)[0], answers=0)


def test_the_docstring_s_example_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    tests = [test for test in doctest.DocTestFinder().find(module) if test.examples]
    assert tests, "no example"
    for test in tests:
        outcome = doctest.DocTestRunner().run(replace_globals(test))
        assert outcome.failed == 0 and outcome.attempted >= 4


def replace_globals(test: doctest.DocTest) -> doctest.DocTest:
    test.globs = {}
    return test


def test_importing_unmask_brings_nothing_heavy_along() -> None:
    heavy = "print('torch' in sys.modules)"
    code = f"import unmask, sys; {heavy}; print(unmask.__version__); unmask.Unmasker; {heavy}"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["False", "0.1.0", "True"]


def test_results_are_frozen(unmasker: Unmasker) -> None:
    result = unmasker(scene(TWO[:1]).masked)
    with pytest.raises(AttributeError):
        result.filled = None  # type: ignore[misc]
