"""The evaluation of a method that gives several answers: files, grid, TensorBoard, interruption and going on."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from helpers.finished import originals_of
from unmask.config import EvaluationConfig, OcclusionConfig, OcclusionSource
from unmask.evaluation import evaluate
from unmask.faces import Faces, Failure, Reconstruction
from unmask.images import load_image, to_uint8
from unmask.kinds import Blend
from unmask.making.make import Task
from unmask.processes import SingleProcess
from unmask.results.catalogue import SAMPLE_NAMES
from unmask.results.deviation import deviation, deviation_picture
from unmask.results.layout import finished_ids
from unmask.results.summary import EvaluationResult, RunInfo
from unmask.runlog import NullRunLog, RunLog, TensorBoardLog

SIZE = 32
IDS = tuple(f"{index:05d}" for index in range(4))
ANSWERS = 3


@dataclass
class Batches:
    """Made-up pictures, `size` at once."""

    ids: Sequence[str]
    size: int = 1
    undecodable: tuple[Failure, ...] = ()

    def __iter__(self) -> Iterator[Faces]:
        occlusion = torch.zeros(1, 1, SIZE, SIZE)
        occlusion[..., 16:24, 8:24] = 1.0
        for start in range(0, len(self.ids), self.size):
            ids = tuple(self.ids[start : start + self.size])
            seeds = [torch.Generator().manual_seed(int(id)) for id in ids]
            masked = torch.stack([torch.rand(3, SIZE, SIZE, generator=seed) * 2 - 1 for seed in seeds])
            hidden = occlusion.expand(len(ids), -1, -1, -1)
            yield Faces(ids, masked, hidden, hidden)


class Painter:
    """Gives `answers` shades of grey, the n-th picture's a little brighter; can stop on cue, or fail in one answer."""

    def __init__(self, answers: int = ANSWERS, *, stop_at: str | None = None, spoilt: str | None = None) -> None:
        self.asked: list[str] = []
        self._answers = answers
        self._stop_at = stop_at
        self._spoilt = spoilt

    def __call__(self, faces: Faces, **_: object) -> Reconstruction:
        if self._stop_at in faces.ids:
            raise KeyboardInterrupt
        self.asked.extend(faces.ids)
        shades = torch.tensor([[0.1 * index + 0.01 * int(id) for index in range(self._answers)] for id in faces.ids])
        samples = shades[:, :, None, None, None].expand(-1, -1, 3, SIZE, SIZE).clone()
        if self._spoilt in faces.ids:
            samples[faces.ids.index(self._spoilt), -1, 0, 0, 0] = torch.nan
        return Reconstruction(faces.ids, samples[:, 0], samples=samples if self._answers > 1 else None)


def go(
    method: Painter,
    output: Path,
    *,
    size: int = 1,
    run_log: RunLog | None = None,
    grid_rows: int = 4,
    config_hash: str = "abc",
) -> EvaluationResult:
    result = evaluate(
        method,
        Task(
            ids=IDS,
            batches=lambda ids: Batches(ids, size),
            occlusion=OcclusionConfig(source=OcclusionSource.painted, feather=0.0, blend=Blend.feather),
            run=RunInfo("painter", 0, config_hash, SIZE, {"method": {"num_samples": ANSWERS}}),
            folder=output,
            bootstrap_samples=100,
            curves=grid_rows,
        ),
        originals_of(lambda ids: Batches(ids, size)),
        config=EvaluationConfig(bootstrap_samples=100, grid_rows=grid_rows),
        run_log=run_log or NullRunLog(),
        processes=SingleProcess(torch.device("cpu")),
    )
    assert result is not None
    return result


def pictures(output: Path) -> dict[str, bytes]:
    return {path.relative_to(output).as_posix(): path.read_bytes() for path in output.rglob("*.png")}


def rows(output: Path) -> list[dict[str, str]]:
    with (output / "metrics.csv").open(newline="") as file:
        return [{key: cell for key, cell in row.items() if key != "seconds"} for row in csv.DictReader(file)]


def test_files_and_numbers(tmp_path: Path) -> None:
    result = go(Painter(), tmp_path, size=3)
    expected = {f"{folder}/{id}.png" for folder in ("raw", "composite", "occlusion", "deviation") for id in IDS}
    expected |= {f"samples/{id}/{index}.png" for id in IDS for index in range(ANSWERS)}
    expected |= {f"samples/{id}/raw/{index}.png" for id in IDS for index in range(1, ANSWERS)}
    assert set(pictures(tmp_path)) == {*expected, "grid.png"}
    for id in IDS:
        assert pictures(tmp_path)[f"samples/{id}/0.png"] == pictures(tmp_path)[f"composite/{id}.png"]
    written = torch.stack([load_image(tmp_path / "samples" / "00002" / f"{index}.png") for index in range(ANSWERS)])
    colours = np.asarray(Image.open(tmp_path / "deviation" / "00002.png"))
    assert (colours == to_uint8(deviation_picture(deviation(written)))).all()
    assert colours[20, 16].max() > 50 and colours[0, 0].max() < 8
    summary = json.loads((tmp_path / "metrics.json").read_text())["metrics"]
    # pictures are compared as 8 bits: half a step of 255 on either side
    assert summary["samples/deviation_raw_visible"]["mean"] == pytest.approx(12.75, abs=0.3)  # .1 in [-1,1]
    assert summary["samples/deviation_hole"]["mean"] > 5
    assert summary["best_of_k/hole/psnr"]["reason"] == "there is no clean picture to compare with"
    assert result.n == len(IDS)
    assert all(float(row["samples/deviation_hole"]) > 5 for row in rows(tmp_path))


def test_neither_numbers_nor_files_depend_on_the_batch_size(tmp_path: Path) -> None:
    go(Painter(), tmp_path / "one", size=1)
    go(Painter(), tmp_path / "three", size=3)
    assert rows(tmp_path / "one") == rows(tmp_path / "three")
    assert pictures(tmp_path / "one") == pictures(tmp_path / "three")


def test_an_interrupted_run_goes_on_and_leaves_what_a_straight_one_does(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        go(Painter(stop_at="00002"), tmp_path / "run")
    assert finished_ids(tmp_path / "run", "abc") == set(IDS[:2])
    (tmp_path / "run" / "samples" / "00001" / ".0.killed.png").write_bytes(b"")
    again = Painter()
    go(again, tmp_path / "run")
    assert again.asked == list(IDS[2:])
    (tmp_path / "run" / "samples" / "00001" / ".0.killed.png").unlink()
    go(Painter(), tmp_path / "straight")
    assert pictures(tmp_path / "run") == pictures(tmp_path / "straight")
    assert rows(tmp_path / "run") == rows(tmp_path / "straight")


@pytest.mark.parametrize("lost", ["deviation/00001.png", "samples/00001/0.png"])
def test_a_picture_whose_answers_were_lost_is_done_again(lost: str, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        go(Painter(stop_at="00003"), tmp_path)
    (tmp_path / lost).unlink()
    again = Painter()
    go(again, tmp_path)
    assert again.asked == ["00001", "00003"]


def test_fewer_answers_leave_none_of_an_earlier_configuration(tmp_path: Path) -> None:
    go(Painter(4), tmp_path, config_hash="four")
    go(Painter(2), tmp_path, config_hash="two")
    assert {name for name in pictures(tmp_path) if name.startswith("samples/00000")} == {
        "samples/00000/0.png",
        "samples/00000/1.png",
        "samples/00000/raw/1.png",
    }


def test_pictures_of_a_version_with_one_answer_stay_finished(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        go(Painter(1, stop_at="00002"), tmp_path)
    with (tmp_path / "metrics.csv").open(newline="") as file:
        kept = [{key: cell for key, cell in row.items() if key not in SAMPLE_NAMES} for row in csv.DictReader(file)]
    for row in kept:
        row["reasons"] = json.dumps(
            {name: why for name, why in json.loads(row["reasons"] or "{}").items() if name in row}
        )
    with (tmp_path / "metrics.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(kept[0]))
        writer.writeheader()
        writer.writerows(kept)
    again = Painter(1)
    result = go(again, tmp_path)
    assert again.asked == list(IDS[2:])
    assert result.metrics["samples/deviation_hole"].mean is None


def test_an_answer_that_is_not_finite_is_a_failure_of_the_picture(tmp_path: Path) -> None:
    result = go(Painter(spoilt="00001"), tmp_path, size=2)
    assert [failure.id for failure in result.failures] == ["00001"]
    assert [row["id"] for row in rows(tmp_path)] == ["00000", "00002", "00003"]


@pytest.mark.parametrize(("answers", "columns"), [(1, 4), (2, 6), (3, 7), (5, 9), (7, 9)])
def test_the_grid_has_columns_for_some_of_the_answers(answers: int, columns: int, tmp_path: Path) -> None:
    go(Painter(answers), tmp_path, grid_rows=2)
    grid = np.asarray(Image.open(tmp_path / "grid.png"))
    left, top = grid.shape[1] - columns * (SIZE + 4), grid.shape[0] - 2 * (SIZE + 4)
    assert 0 < left < 4 * (SIZE + 4), "what is left are the ids"

    def cell(column: int) -> np.ndarray:
        x = left + column * (SIZE + 4)
        return grid[top : top + SIZE, x : x + SIZE]

    assert (cell(2) == np.asarray(Image.open(tmp_path / "composite" / "00000.png"))).all()
    for index in range(1, min(answers, 5)):
        assert (cell(2 + index) == np.asarray(Image.open(tmp_path / "samples" / "00000" / f"{index}.png"))).all()
    if answers > 1:
        assert (cell(columns - 2) == np.asarray(Image.open(tmp_path / "deviation" / "00000.png"))).all()


def test_tensorboard_shows_all_answers_of_the_first_pictures(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for name, method in (("several", Painter(7)), ("one", Painter(1))):
        with TensorBoardLog(tmp_path / name) as run_log:
            go(method, tmp_path / name, run_log=run_log, grid_rows=2)
    reader = EventAccumulator(str(tmp_path / "several"))
    reader.Reload()
    tags = [tag for tag in reader.Tags()["images"] if "samples" in tag]
    assert tags == ["pictures/samples/00000", "pictures/samples/00001"]
    assert "pictures/grid" in reader.Tags()["images"]
    (strip,) = reader.Images("pictures/samples/00000")
    assert strip.width > 8 * SIZE and SIZE < strip.height < 2 * SIZE
    assert "metrics/samples/deviation_hole" in reader.Tags()["scalars"]
    reader = EventAccumulator(str(tmp_path / "one"))
    reader.Reload()
    assert [tag for tag in reader.Tags()["images"] if "emerging" not in tag] == ["pictures/grid"]
    assert "metrics/samples/deviation_hole" not in reader.Tags()["scalars"]
