"""The log of a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from conftest import Answer
from unmask.runlog import NullRunLog, TensorBoardLog, flatten


def test_flatten_joins_keys_and_keeps_what_tensorboard_takes() -> None:
    nested = {"method": {"lr": 0.1, "layers": [1, 2], "noise": None}, "seed": 3, "flag": True}
    assert flatten(nested) == {
        "method.lr": 0.1,
        "method.layers": "[1, 2]",
        "seed": 3,
        "flag": True,
    }


def test_scalars_are_also_lines_of_strict_json(tmp_path: Path) -> None:
    with TensorBoardLog(tmp_path) as log:
        log.scalar("objective/total", 1.5, 0)
        log.scalar("objective/total", float("nan"), 1)
        log.close()
    lines = [json.loads(line) for line in (tmp_path / "scalars.jsonl").read_text().splitlines()]
    assert lines == [
        {"tag": "objective/total", "step": 0, "value": 1.5},
        {"tag": "objective/total", "step": 1, "value": None},
    ]


def test_hparams_table_holds_settings_and_metrics(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import plugin_data_pb2

    with TensorBoardLog(tmp_path) as log:
        log.hparams({"method": {"lambda_perceptual": 0.8}}, {"hole/psnr": 17.0})
    reader = EventAccumulator(str(tmp_path))
    reader.Reload()
    content = reader.PluginTagToContent("hparams")
    start = plugin_data_pb2.HParamsPluginData.FromString(content["_hparams_/session_start_info"])
    assert start.session_start_info.hparams["method.lambda_perceptual"].number_value == 0.8
    experiment = plugin_data_pb2.HParamsPluginData.FromString(content["_hparams_/experiment"]).experiment
    assert [info.name.tag for info in experiment.metric_infos] == ["metrics/hole/psnr"]
    assert [event.value for event in reader.Scalars("metrics/hole/psnr")] == [17.0]


def declared_columns(folder: Path) -> tuple[dict[str, int], list[str]]:
    """Settings with their type, and metrics, as the run in `folder` declares them to TensorBoard."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import plugin_data_pb2

    reader = EventAccumulator(str(folder))
    reader.Reload()
    content = reader.PluginTagToContent("hparams")["_hparams_/experiment"]
    experiment = plugin_data_pb2.HParamsPluginData.FromString(content).experiment
    settings = {info.name: info.type for info in experiment.hparam_infos}
    return settings, [info.name.tag for info in experiment.metric_infos]


def test_hparams_of_different_methods_have_the_same_columns(tmp_path: Path) -> None:
    """TensorBoard takes the columns of all runs from the first, and sorts only columns of one type."""
    with TensorBoardLog(tmp_path / "copy") as log:
        settings = {"method": {"name": "copy"}, "data": {"limit": None}, "seed": 0}
        log.hparams(settings, {"hole/psnr": 9.0, "raw_visible/psnr": None})
    with TensorBoardLog(tmp_path / "proj") as log:
        settings = {"method": {"name": "stylegan_proj", "steps": 3, "lr": 1}, "data": {"limit": 4}, "seed": 0}
        log.hparams(settings, {"hole/psnr": 19.0, "raw_visible/psnr": 18.0})
    columns, metrics = declared_columns(tmp_path / "copy")
    assert (columns, metrics) == declared_columns(tmp_path / "proj")
    assert metrics == ["metrics/hole/psnr", "metrics/raw_visible/psnr"]
    assert {"method.steps", "method.radius", "method.init", "data.limit", "seed"} <= set(columns)
    assert columns["data.limit"] == columns["method.steps"] != columns["method.init"]


def test_what_a_run_has_no_value_for_is_an_empty_cell(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import plugin_data_pb2

    with TensorBoardLog(tmp_path) as log:
        log.hparams({"data": {"limit": None}, "seed": 3, "mine": "x"}, {"hole/psnr": None, "hole/lpips": 0.5})
    reader = EventAccumulator(str(tmp_path))
    reader.Reload()
    content = reader.PluginTagToContent("hparams")["_hparams_/session_start_info"]
    start = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
    assert set(start.hparams) == {"seed", "mine"}
    assert reader.Tags()["scalars"] == ["metrics/hole/lpips"]
    assert "mine" in declared_columns(tmp_path)[0]  # of a method from elsewhere


def test_runs_of_two_methods_line_up(unmask_cli: Callable[..., Answer], masked_tree: Path, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import plugin_data_pb2

    tags, given = [], []
    quick = ("data=ffhq_cmfd", f"data.root={masked_tree}", "data.resolution=32", "data.limit=2", "device=cpu")
    for method in ("copy", "inpaint"):
        answer = unmask_cli(
            f"method={method}",
            *quick,
            "evaluation.identity=false",
            "evaluation.expression=false",
            f"hydra.run.dir={method}",
        )
        assert answer.code == 0, answer.err
        reader = EventAccumulator(str(tmp_path / method))
        reader.Reload()
        found = reader.Tags()
        tags.append({kind: [tag for tag in found[kind] if "objective/" not in tag] for kind in ("scalars", "images")})
        content = reader.PluginTagToContent("hparams")["_hparams_/session_start_info"]
        given.append(set(plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams))
    assert tags[0] == tags[1]
    assert "metrics/visible/max_abs_change" in tags[0]["scalars"] and "pictures/grid" in tags[0]["images"]
    assert given[1] - given[0] == {"method.radius"} and not given[0] - given[1]
    assert declared_columns(tmp_path / "copy") == declared_columns(tmp_path / "inpaint")


def test_pictures_are_clamped_not_wrapped(tmp_path: Path) -> None:
    import io

    import numpy as np
    from PIL import Image
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with TensorBoardLog(tmp_path) as log:
        log.image("pictures/x", torch.full((3, 4, 6), 1.7), 2)
    reader = EventAccumulator(str(tmp_path))
    reader.Reload()
    (event,) = reader.Images("pictures/x")
    pixels = np.asarray(Image.open(io.BytesIO(event.encoded_image_string)))
    assert event.step == 2
    assert pixels.shape == (4, 6, 3)
    assert (pixels == 255).all()


def test_null_log_takes_everything_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with NullRunLog() as log:
        log.scalar("a", 1.0, 0)
        log.image("b", torch.zeros(3, 2, 2), 0)
        log.hparams({}, {})
        log.flush()
    assert list(tmp_path.iterdir()) == []
