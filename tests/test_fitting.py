"""Which pictures a run evaluates and which it learns from, and trainings through the command."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from helpers.command import Cli, write_pair_tree
from unmask.config import CopyConfig, DataConfig, Pix2PixConfig, RunConfig, Split, TrainingConfig
from unmask.data import split_of
from unmask.fitting import evaluated_data, needs_training

TINY = (
    "method=pix2pix", "method.ngf=2", "method.ndf=2", "method.depth=5", "data=ffhq_cmfd", "data.root=pairs",
    "data.resolution=32", "evaluation.identity=false", "evaluation.expression=false", "device=cpu", "progress=false",
    "training.max_steps=2", "training.num_workers=0", "training.batch_size=1",
    "training.precision=32-true", "training.monitor=hole/psnr",
)  # fmt: skip


def settings(**changes: object) -> RunConfig:
    config = RunConfig(method=Pix2PixConfig(name="pix2pix"), data=DataConfig(root="/pairs"), training=TrainingConfig())
    return replace(config, **changes)  # type: ignore[arg-type]


def test_only_methods_with_weights_to_learn_are_trained() -> None:
    assert needs_training(settings())
    assert not needs_training(settings(method=Pix2PixConfig(name="pix2pix", checkpoint="pretrained")))
    assert not needs_training(settings(method=CopyConfig(name="copy")))


def test_auto_is_the_test_part_only_for_what_learns_from_these_pairs(tmp_path: Path) -> None:
    assert evaluated_data(settings()).split is Split.test
    assert evaluated_data(settings(training=TrainingConfig(root="/faces"))).split is Split.all
    assert evaluated_data(settings(method=CopyConfig(name="copy"))).split is Split.all
    assert evaluated_data(settings(data=DataConfig(root="/pairs", split=Split.train))).split is Split.train
    trained = settings(method=Pix2PixConfig(name="pix2pix", checkpoint=str(tmp_path)))
    assert evaluated_data(trained).split is Split.all
    for root, learnt, split in (
        ("/pairs", "null", Split.test),
        ("/other", "null", Split.all),
        ("/pairs", "/f", Split.all),
    ):
        (tmp_path / "config.yaml").write_text(f"data: {{root: {root}}}\ntraining: {{root: {learnt}}}\n")
        assert evaluated_data(trained).split is split


def ids_of(run: Path) -> set[str]:
    return {path.stem for path in (run / "composite").glob("*.png")}


@pytest.mark.weights
def test_trained_then_evaluated_again_without_training(unmask_cli: Cli, tmp_path: Path) -> None:
    write_pair_tree(tmp_path / "pairs", 40, size=32)
    assert (answer := unmask_cli(*TINY, "hydra.run.dir=trained")).code == 0, answer.err
    fractions = {"seed": 0, "val_fraction": 0.1, "test_fraction": 0.1}
    held_out = {id for i in range(40) if split_of(id := f"{i:05d}", **fractions) is Split.test}  # type: ignore[arg-type]
    assert ids_of(tmp_path / "trained") == held_out
    about = json.loads((tmp_path / "trained" / "training.json").read_text())
    assert (about["steps"], about["best_step"], about["precision"]) == (2, 2, "32-true")
    answer = unmask_cli(*TINY, "method.checkpoint=trained", "hydra.run.dir=again")
    assert answer.code == 0, answer.err
    assert not (tmp_path / "again" / "checkpoints").exists()
    one, other = (json.loads((tmp_path / run / "metrics.json").read_text()) for run in ("trained", "again"))
    assert one["metrics"] == other["metrics"]
    assert ids_of(tmp_path / "again") == held_out


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ("training.monitor=hole/beauty", "training.monitor=hole/beauty"),
        ("training.crop=48", "training.crop=48 must be a multiple of 32"),
        ("data.resolution=40", "data.resolution=40 must be a multiple of 32"),
        ("data.split=all", "No face left to learn from"),
        ("training.precision=half", "training.precision=half"),
        ("training.batch_size=0", "training.batch_size=0"),
        ("training.max_steps=0", "training.max_steps=0"),
        ("method.checkpoint=nowhere.pth", "nowhere.pth"),
        ("method.depth=4", "method.depth=4"),
        ("training.ema_decay=1.5", "training.ema_decay=1.5"),
        ("training.root=nowhere", "nowhere: no such folder"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(wrong: str, named: str, unmask_cli: Cli, tmp_path: Path) -> None:
    write_pair_tree(tmp_path / "pairs", 12, size=32)
    answer = unmask_cli(*TINY, wrong, "hydra.run.dir=run")
    assert answer.code == 2, answer.err
    assert named in answer.err
    assert "Traceback" not in answer.err
