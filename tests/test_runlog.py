"""The log of a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from helpers.command import Answer
from unmask.columns import Column
from unmask.runlog import NullRunLog, TensorBoardLog


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
        log.hparams((Column("lambda", float, 0.8),), {"hole/psnr": 17.0})
    reader = EventAccumulator(str(tmp_path))
    reader.Reload()
    content = reader.PluginTagToContent("hparams")
    start = plugin_data_pb2.HParamsPluginData.FromString(content["_hparams_/session_start_info"])
    assert start.session_start_info.hparams["lambda"].number_value == 0.8
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


def test_what_a_run_has_no_value_for_is_an_empty_cell(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import plugin_data_pb2

    columns = (Column("z", float, None), Column("seed", float, 3), Column("mine", str, "x"), Column("a", str, None))
    with TensorBoardLog(tmp_path) as log:
        log.hparams(columns, {"hole/psnr": None, "hole/lpips": 0.5})
    reader = EventAccumulator(str(tmp_path))
    reader.Reload()
    content = reader.PluginTagToContent("hparams")["_hparams_/session_start_info"]
    start = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
    assert set(start.hparams) == {"seed", "mine"}
    assert reader.Tags()["scalars"] == ["metrics/hole/lpips"]
    settings, metrics = declared_columns(tmp_path)
    assert list(settings) == ["z", "seed", "mine", "a"], "in the order given"
    assert settings["z"] == settings["seed"] != settings["mine"] == settings["a"]
    assert metrics == ["metrics/hole/psnr", "metrics/hole/lpips"]


def test_text_is_a_page(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with TensorBoardLog(tmp_path) as log:
        log.text("config", "# Title")
    reader = EventAccumulator(str(tmp_path))
    reader.Reload()
    assert reader.Tags()["tensors"] == ["config/text_summary"]


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
    assert given[0] == given[1] >= {"1 method", "3 set", "4 limit", "7 seed"}
    columns, metrics = declared_columns(tmp_path / "copy")
    assert (columns, metrics) == declared_columns(tmp_path / "inpaint")
    assert list(columns)[:3] == ["1 method", "2 experiment", "3 set"]
    assert metrics[:2] == ["metrics/hole/psnr", "metrics/hole/lpips"]
    assert metrics[-1] == "metrics/seconds_per_image"


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
        log.hparams((), {})
        log.flush()
    assert list(tmp_path.iterdir()) == []
