"""The log of a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from unmask.runlog import NullRunLog, TensorBoardLog, flatten


def test_flatten_joins_keys_and_keeps_what_tensorboard_takes() -> None:
    nested = {"method": {"lr": 0.1, "layers": [1, 2], "noise": None}, "seed": 3, "flag": True}
    assert flatten(nested) == {
        "method.lr": 0.1,
        "method.layers": "[1, 2]",
        "method.noise": "None",
        "seed": 3,
        "flag": True,
    }


def test_scalars_are_also_lines_of_strict_json(tmp_path: Path) -> None:
    with TensorBoardLog(tmp_path) as log:
        log.scalar("losses/total", 1.5, 0)
        log.scalar("losses/total", float("nan"), 1)
        log.close()
    lines = [json.loads(line) for line in (tmp_path / "scalars.jsonl").read_text().splitlines()]
    assert lines == [
        {"tag": "losses/total", "step": 0, "value": 1.5},
        {"tag": "losses/total", "step": 1, "value": None},
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
