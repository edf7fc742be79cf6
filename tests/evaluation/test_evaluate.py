"""The evaluation of a made-up method: files, tables, interruption and going on."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from helpers.finished import originals_of
from unmask.config import EvaluationConfig, OcclusionConfig, OcclusionSource
from unmask.errors import UnmaskError
from unmask.evaluation import evaluate
from unmask.faces import Doubt, Faces, Failure, Reconstruction, StepCallback, StepReport
from unmask.images import to_uint8
from unmask.kinds import Blend
from unmask.making.make import Task
from unmask.processes import SingleProcess
from unmask.results.catalogue import (
    ALL_NAMES,
    EXPRESSION_NAMES,
    IDENTITY_NAMES,
    NO_CLEAN,
    ONE_ANSWER,
    SAMPLE_NAMES,
)
from unmask.results.grid import TITLES
from unmask.results.layout import finished_ids
from unmask.results.summary import EvaluationResult, RunInfo
from unmask.runlog import NullRunLog, RunLog, TensorBoardLog

SIZE = 32
IDS = tuple(f"{index:05d}" for index in range(5))
PAINTED = OcclusionConfig(source=OcclusionSource.painted, feather=0.0, blend=Blend.feather)


class Recorder:
    """A method that paints every picture grey, remembers what it was asked and can fail on cue."""

    def __init__(self, *, stop_at: str | None = None, error: type[BaseException] = KeyboardInterrupt) -> None:
        self.asked: list[str] = []
        self._stop_at = stop_at
        self._error = error

    def __call__(self, faces: Faces, *, on_step: StepCallback | None = None) -> Reconstruction:
        if self._stop_at in faces.ids:
            raise self._error("on cue")
        self.asked.extend(faces.ids)
        raw = torch.full_like(faces.masked, 0.25)
        assert on_step is not None
        for taken in range(4):
            losses = {"total": torch.tensor([float(int(id) + taken - 1) for id in faces.ids])} if taken else {}
            on_step(StepReport(faces.ids, 0, taken, 3, losses, lambda: raw))
        return Reconstruction(faces.ids, raw, w_plus=torch.zeros(len(faces), 2, 512) + 1.5)


def make_faces(ids: tuple[str, ...], *, clean: bool = False) -> Faces:
    def one(id: str) -> Tensor:
        return torch.rand(3, SIZE, SIZE, generator=torch.Generator().manual_seed(int(id))) * 2 - 1

    masked = torch.stack([one(id) for id in ids])
    occlusion = torch.zeros(len(ids), 1, SIZE, SIZE)
    occlusion[:, :, 16:24, 8:24] = 1.0
    return Faces(ids, masked, occlusion, occlusion, masked.flip(-1) if clean else None)


@dataclass
class MadeBatches:
    """Batches of `size` of these pictures; those of `undecodable` are left out."""

    ids: Sequence[str]
    size: int = 1
    clean: bool = False
    undecodable: tuple[Failure, ...] = ()

    def __iter__(self) -> Iterator[Faces]:
        left_out = {failure.id for failure in self.undecodable}
        ids = tuple(id for id in self.ids if id not in left_out)
        for start in range(0, len(ids), self.size):
            yield make_faces(ids[start : start + self.size], clean=self.clean)


def info(config_hash: str = "abc") -> RunInfo:
    return RunInfo("grey", 0, config_hash, SIZE, {"method": {"name": "grey", "steps": 3}, "seed": 0})


def evaluated(
    method: Callable[..., Reconstruction],
    folder: Path,
    batches: Callable[[Sequence[str]], MadeBatches],
    *,
    ids: Sequence[str] = IDS,
    occlusion: OcclusionConfig = PAINTED,
    run: RunInfo | None = None,
    run_log: RunLog | None = None,
    grid_rows: int = 16,
    emerge_every: int | None = None,
) -> EvaluationResult:
    result = evaluate(
        method,
        Task(ids, batches, occlusion, run or info(), folder, bootstrap_samples=100, curves=grid_rows),
        originals_of(batches),
        config=EvaluationConfig(bootstrap_samples=100, grid_rows=grid_rows, emerge_every=emerge_every),
        run_log=run_log or NullRunLog(),
        processes=SingleProcess(torch.device("cpu")),
    )
    assert result is not None
    return result


def go(
    method: Recorder,
    output: Path,
    *,
    size: int = 1,
    clean: bool = False,
    run: RunInfo | None = None,
    run_log: RunLog | None = None,
    grid_rows: int = 3,
) -> EvaluationResult:
    batches = partial(MadeBatches, size=size, clean=clean)
    return evaluated(method, output, batches, run=run, run_log=run_log, grid_rows=grid_rows, emerge_every=2)


def strict_json(path: Path) -> dict:  # type: ignore[type-arg]
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    loaded = json.loads(path.read_text(), parse_constant=refuse)
    assert isinstance(loaded, dict)
    return loaded


def rows(output: Path) -> list[dict[str, str]]:
    with (output / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_files_of_a_finished_run(tmp_path: Path) -> None:
    result = go(Recorder(), tmp_path, size=2)
    summary = strict_json(tmp_path / "metrics.json")
    assert summary == result.to_json()
    assert summary["status"] == "complete"
    assert (summary["n"], summary["resolution"], summary["config_hash"]) == (5, SIZE, "abc")
    assert set(summary["metrics"]) == set(ALL_NAMES)
    assert {summary["metrics"][name]["reason"] for name in SAMPLE_NAMES} == {ONE_ANSWER}
    assert summary["metrics"]["hole/psnr"] == {"mean": None, "ci95": None, "n": 0, "reason": NO_CLEAN}
    assert summary["metrics"]["visible/max_abs_change"] == {"mean": 0.0, "ci95": [0.0, 0.0]}
    assert [row["id"] for row in rows(tmp_path)] == list(IDS)
    written = np.asarray(Image.open(tmp_path / "raw" / "00003.png"))
    assert (written == 159).all()  # .25 in [-1,1]
    assert load_file(tmp_path / "latents" / "00003.safetensors")["w_plus"].shape == (2, 512)


def test_composite_keeps_the_inputs_pixels_outside_the_hole(tmp_path: Path) -> None:
    go(Recorder(), tmp_path)
    faces = make_faces(("00002",))
    written = np.asarray(Image.open(tmp_path / "composite" / "00002.png"))
    outside = faces.hole[0, 0].numpy() < 0.5
    assert (written[outside] == to_uint8(faces.masked[0])[outside]).all()
    assert not (written[~outside] == to_uint8(faces.masked[0])[~outside]).all()


def test_result_does_not_depend_on_the_batch_size(tmp_path: Path) -> None:
    go(Recorder(), tmp_path / "one", size=1)
    go(Recorder(), tmp_path / "three", size=3)
    one, three = (
        [{k: v for k, v in row.items() if k != "seconds"} for row in rows(tmp_path / name)] for name in ("one", "three")
    )
    assert one == three


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_interrupted_run_keeps_what_is_finished_and_goes_on(tmp_path: Path, error: type[BaseException]) -> None:
    with pytest.raises(error, match="on cue"):
        go(Recorder(stop_at="00003", error=error), tmp_path)
    summary = strict_json(tmp_path / "metrics.json")
    assert (summary["status"], summary["n"]) == ("incomplete", 3)
    assert finished_ids(tmp_path, "abc") == set(IDS[:3])
    assert finished_ids(tmp_path, "another") == frozenset()
    assert finished_ids(tmp_path) == set(IDS[:3])

    again = Recorder()
    go(again, tmp_path, grid_rows=5)
    assert again.asked == list(IDS[3:])
    assert strict_json(tmp_path / "metrics.json")["status"] == "complete"
    assert [row["id"] for row in rows(tmp_path)] == list(IDS)
    go(Recorder(), tmp_path / "straight", grid_rows=5)
    assert (tmp_path / "grid.png").read_bytes() == (tmp_path / "straight" / "grid.png").read_bytes()


def test_going_on_in_the_middle_of_a_batch(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        go(Recorder(stop_at="00001"), tmp_path)
    again = Recorder()
    go(again, tmp_path, size=3)
    assert again.asked == list(IDS[1:])


def test_pictures_of_a_version_with_fewer_metrics_are_only_measured_again(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        go(Recorder(stop_at="00003"), tmp_path)
    kept = [{k: v for k, v in row.items() if k not in EXPRESSION_NAMES} for row in rows(tmp_path)]
    for row in kept:
        row["reasons"] = json.dumps({k: v for k, v in json.loads(row["reasons"] or "{}").items() if k in row})
    with (tmp_path / "metrics.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(kept[0]))
        writer.writeheader()
        writer.writerows(kept)

    again = Recorder()
    result = go(again, tmp_path)
    assert again.asked == list(IDS[3:])
    assert result.n == len(IDS)
    assert result.metrics["expression/smile"].reason == NO_CLEAN, "what was added later is measured now"
    assert result.metrics["visible/max_abs_change"].n == len(IDS)


def test_another_configuration_starts_over(tmp_path: Path) -> None:
    go(Recorder(), tmp_path)
    again = Recorder()
    go(again, tmp_path, run=info("other"))
    assert again.asked == list(IDS)
    assert len(rows(tmp_path)) == len(IDS)


def test_picture_with_a_missing_file_or_half_a_row_is_done_again(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        go(Recorder(stop_at="00004"), tmp_path)
    (tmp_path / "raw" / "00001.png").unlink()
    table = tmp_path / "metrics.csv"
    table.write_text(table.read_text().rstrip()[:-30])  # killed while writing the row of 00003
    again = Recorder()
    go(again, tmp_path)
    assert again.asked == ["00001", "00003", "00004"]
    assert sorted(row["id"] for row in rows(tmp_path)) == list(IDS)


def test_a_full_disk_is_a_clear_error_and_keeps_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from unmask.making import outputs

    write = outputs.save_image

    def full(image: Tensor, path: Path) -> None:
        if path.name == "00002.png":
            raise OSError(28, "No space left on device")
        write(image, path)

    monkeypatch.setattr(outputs, "save_image", full)
    with pytest.raises(UnmaskError, match="No space left on device"):
        go(Recorder(), tmp_path)
    assert strict_json(tmp_path / "metrics.json")["status"] == "incomplete"
    assert finished_ids(tmp_path, "abc") == set(IDS[:2])


def test_failures_and_nan_are_named_and_the_others_finished(tmp_path: Path) -> None:
    def method(faces: Faces, *, on_step: StepCallback | None = None) -> Reconstruction:
        keep = [index for index, id in enumerate(faces.ids) if id != "00001"]
        raw = torch.zeros(len(keep), 3, SIZE, SIZE)
        ids = tuple(faces.ids[index] for index in keep)
        if "00002" in ids:
            raw[ids.index("00002"), 0, 0, 0] = torch.nan
        failed = (Failure("00001", "non-finite loss at step 7"),) if "00001" in faces.ids else ()
        return Reconstruction(ids, raw, failures=failed)

    batches = partial(MadeBatches, size=2, undecodable=(Failure("00009", "truncated"),))
    result = evaluated(method, tmp_path, batches, ids=(*IDS, "00009"))
    assert [failure.id for failure in result.failures] == ["00001", "00002", "00009"]
    assert [row["id"] for row in rows(tmp_path)] == ["00000", "00003", "00004"]
    assert strict_json(tmp_path / "metrics.json")["failures"][0]["reason"] == "non-finite loss at step 7"


def test_doubts_about_occlusions_are_reported_and_survive_an_interruption(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    doubts = (Doubt("00001", "Too small."), Doubt("00004", "No mask."))

    @dataclass
    class DoubtfulBatches(MadeBatches):
        def __iter__(self) -> Iterator[Faces]:
            for faces in super().__iter__():
                yield replace(faces, doubts=tuple(doubt for doubt in doubts if doubt.id in faces.ids))

    def go_on(method: Recorder) -> EvaluationResult:
        occlusion = OcclusionConfig(source=OcclusionSource.auto)
        return evaluated(method, tmp_path, partial(DoubtfulBatches, size=2), occlusion=occlusion)

    with pytest.raises(KeyboardInterrupt):
        go_on(Recorder(stop_at="00003"))
    assert strict_json(tmp_path / "metrics.json")["warnings"] == [{"id": "00001", "reason": "Too small."}]
    assert "Look at 00001: Too small." in caplog.text
    result = go_on(Recorder())
    assert result.doubts == doubts
    summary = strict_json(tmp_path / "metrics.json")
    assert summary["warnings"] == [{"id": doubt.id, "reason": doubt.reason} for doubt in doubts]
    assert summary["n"] == 5
    assert EvaluationResult.from_json(summary).doubts == doubts
    assert [json.loads(row["reasons"] or "{}").get("occlusion") for row in rows(tmp_path)] == [
        None, "Too small.", None, None, "No mask.",
    ]  # fmt: skip


def test_nothing_finished_is_null_with_a_reason(tmp_path: Path) -> None:
    def method(faces: Faces, *, on_step: StepCallback | None = None) -> Reconstruction:
        failures = tuple(Failure(id, "no") for id in faces.ids)
        return Reconstruction((), torch.zeros(0, 3, SIZE, SIZE), failures=failures)

    evaluated(method, tmp_path, partial(MadeBatches, size=2))
    summary = strict_json(tmp_path / "metrics.json")
    assert summary["seconds_per_image"] is None
    assert all(metric["mean"] is None and metric["reason"] for metric in summary["metrics"].values())


def test_seconds_are_those_of_the_method_alone(tmp_path: Path) -> None:
    import time

    class SlowLog(NullRunLog):
        def image(self, tag: str, image: Tensor, step: int) -> None:
            if "emerging" in tag:
                time.sleep(0.2)

    result = go(Recorder(), tmp_path, run_log=SlowLog())
    assert result.seconds_per_image is not None
    assert 0.0 < result.seconds_per_image < 0.1


def test_grid_has_a_row_per_picture_and_titled_columns(tmp_path: Path) -> None:
    go(Recorder(), tmp_path / "three", grid_rows=3)
    go(Recorder(), tmp_path / "two", grid_rows=2)
    three, two = (Image.open(tmp_path / name / "grid.png") for name in ("three", "two"))
    assert three.width == two.width > len(TITLES) * SIZE
    assert three.height - two.height == SIZE + 4
    pixels = np.asarray(three)
    masked = to_uint8(make_faces(("00000",)).masked[0])
    left = three.width - len(TITLES) * (SIZE + 4)
    top = three.height - 3 * (SIZE + 4)
    assert (pixels[top : top + SIZE, left : left + SIZE] == masked).all()
    assert (pixels[:top, left:] < 128).any()  # the titles
    assert (pixels[top:, :left] < 128).any()  # the ids


def test_everything_is_in_one_event_file(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    with TensorBoardLog(tmp_path) as run_log:
        go(Recorder(), tmp_path, run_log=run_log)
    events = list(tmp_path.rglob("events.out.tfevents.*"))
    assert len(events) == 1
    reader = EventAccumulator(str(events[0]))
    reader.Reload()
    assert set(reader.PluginTagToContent("hparams")) == {
        "_hparams_/experiment",
        "_hparams_/session_start_info",
        "_hparams_/session_end_info",
    }
    scalars = reader.Tags()["scalars"]
    assert "metrics/visible/max_abs_change" in scalars
    assert "metrics/hole/psnr" not in scalars  # there is no clean picture
    experiment = HParamsPluginData.FromString(reader.PluginTagToContent("hparams")["_hparams_/experiment"]).experiment
    declared = [info.name.tag for info in experiment.metric_infos]
    assert sorted(declared) == sorted(f"metrics/{name}" for name in (*ALL_NAMES, "seconds_per_image"))
    assert declared[:3] == ["metrics/hole/psnr", "metrics/hole/lpips", "metrics/identity/arcface"]
    assert declared[-1] == "metrics/seconds_per_image"
    assert [(e.step, e.value) for e in reader.Scalars("objective/total")] == [(0, 2.0), (1, 3.0), (2, 4.0)]
    assert [e.value for e in reader.Scalars("objective/total/00001")] == [1.0, 2.0, 3.0]
    assert "objective/total/00004" not in scalars  # beyond grid_rows
    images = reader.Tags()["images"]
    assert "pictures/grid" in images
    assert [e.step for e in reader.Images("pictures/emerging/00000")] == [0, 2, 3]
    assert "pictures/emerging/00003" in images and "pictures/emerging/00004" not in images  # the first four
    assert "emerging/hole/psnr" not in scalars  # there is no clean picture


@pytest.mark.weights
def test_with_clean_pictures_every_metric_but_those_of_a_face_has_a_value(tmp_path: Path) -> None:
    """The pictures are noise, so there is no face to recognise."""
    result = go(Recorder(), tmp_path, clean=True)
    for name, summary in result.metrics.items():
        assert (summary.mean is None) == (name in (*IDENTITY_NAMES, *EXPRESSION_NAMES, *SAMPLE_NAMES)), name
    row = rows(tmp_path)[0]
    assert row["identity/arcface"] == ""
    assert "identity/arcface" in json.loads(row["reasons"])
