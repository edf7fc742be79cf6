"""The command from end to end on made-up pictures: files, exit codes, and that nothing finished is lost."""

from __future__ import annotations

import csv
import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

from helpers.command import QUICK, Cli, write_pair_tree
from helpers.onnx_models import write_inverter
from helpers.probe_method import BUG, SECONDS
from helpers.small_stylegan2 import write_small_checkpoint
from unmask.config_dir import config_dir
from unmask.images import save_image

PROBE = ("method=inpaint", "method._target_=helpers.probe_method.Probe")
TINY_PROJECTION = ("method.w_steps=1", "method.steps=1", "method.candidates=4", "method.compile=false")
TINY_TRAINING = (
    "method.ngf=2",
    "method.ndf=2",
    "training.max_steps=3",
    "training.num_workers=0",
    "training.validate_every=2",
    "training.resize=null",
    "training.crop=null",
    "data.split=all",  # of the first two; what is left is trained on
)
SMOKE: dict[str, tuple[str, ...]] = {
    "copy": ("data.resolution=64",),
    "inpaint": ("data.resolution=64",),
    "onnx": ("data.resolution=64", "method.model=model.onnx", "method.picture_range=unit", "method.hole_marks=hole"),
    "pictures": ("data.resolution=64", "method.root=pairs/cmfd", "method.pattern='{id}_Mask'"),
    "stylegan_proj": ("data.resolution=128", *TINY_PROJECTION),
    "pix2pix": ("data.resolution=64", "method.depth=5", *TINY_TRAINING),
    "cyclegan": ("data.resolution=64", "method.blocks=1", *TINY_TRAINING),
}
"""For every method, what makes it quick."""
TRAINED = ("pix2pix", "cyclegan")
GIVEN_CHECKPOINT = "reference/"
"""Experiments whose generator's weights the user gives."""
EXPERIMENTS = sorted(
    path.relative_to(config_dir() / "experiment").with_suffix("").as_posix()
    for path in (config_dir() / "experiment").rglob("*.yaml")
    if "MULTIRUN" not in path.read_text()  # those are run in test_sweep.py
)


SLOW_ONES = ("tuned", "study/stylegan_mse", "study/stylegan_bce", "study/stylegan_masked_mse", "reference/pti_w_plus")
"""Left to the whole run of the tests; the others stand for them where time is short."""


def report(run_dir: Path) -> dict[str, Any]:
    return json.loads((run_dir / "metrics.json").read_text())


def files(run_dir: Path) -> dict[str, int]:
    """Name -> time of change of the pictures' own files."""
    return {
        path.relative_to(run_dir).as_posix(): path.stat().st_mtime_ns
        for folder in ("composite", "raw")
        for path in (run_dir / folder).glob("*.png")
    }


def test_every_method_is_smoke_run() -> None:
    assert set(SMOKE) == {path.stem for path in (config_dir() / "method").glob("*.yaml")}


@pytest.mark.weights
@pytest.mark.parametrize(
    "method", [pytest.param(name, marks=pytest.mark.slow if name == "stylegan_proj" else ()) for name in SMOKE]
)
def test_a_run_leaves_everything_it_promises(method: str, unmask_cli: Cli, tmp_path: Path) -> None:
    write_pair_tree(tmp_path / "pairs", 2 if method not in TRAINED else 12, size=64)
    if method == "onnx":
        write_inverter(tmp_path / "model.onnx")
    answer = unmask_cli(
        f"method={method}", "data.root=pairs", "data.limit=2", *QUICK, *SMOKE[method], "hydra.run.dir=run"
    )
    assert answer.code == 0, answer.err
    run_dir = tmp_path / "run"
    assert f"{run_dir / 'grid.png'}" in answer.out
    assert "hole/lpips" in answer.out
    metrics = report(run_dir)
    assert (metrics["status"], metrics["method"], metrics["n"], metrics["seed"]) == ("complete", method, 2, 0)
    low, high = metrics["metrics"]["hole/psnr"]["ci95"]
    assert low <= metrics["metrics"]["hole/psnr"]["mean"] <= high
    assert metrics["metrics"]["visible/max_abs_change"]["mean"] == 0.0
    assert metrics["metrics"]["identity/arcface"]["mean"] is None
    assert metrics["metrics"]["expression/smile"]["reason"] == "evaluation.expression is false"
    assert set(files(run_dir)) == {f"{kind}/0000{i}.png" for kind in ("composite", "raw") for i in (0, 1)}
    assert (run_dir / "latents").is_dir() == (method == "stylegan_proj")
    kept = {path.name for path in (run_dir / "checkpoints").glob("*")}
    assert kept == ({"best.safetensors", "last.safetensors", "training.pt"} if method in TRAINED else set())
    with (run_dir / "metrics.csv").open() as file:
        assert [row["id"] for row in csv.DictReader(file)] == ["00000", "00001"]
    assert len(list(run_dir.glob("events.out.tfevents.*"))) == 1
    resolved = OmegaConf.load(run_dir / "config.yaml")
    assert resolved.data.root == str(tmp_path / "pairs")
    assert metrics["config_hash"]
    environment = json.loads((run_dir / "environment.json").read_text())
    assert environment["packages"]["torch"].startswith(torch.__version__.split("+")[0])
    assert "2 pictures used" in (run_dir / "run.log").read_text()


@pytest.mark.weights
@pytest.mark.parametrize(
    "experiment", [pytest.param(name, marks=pytest.mark.slow if name in SLOW_ONES else ()) for name in EXPERIMENTS]
)
def test_every_experiment_is_smoke_run(experiment: str, unmask_cli: Cli, tmp_path: Path) -> None:
    method = next((name for name in TRAINED if experiment.endswith(name)), "stylegan_proj")
    write_pair_tree(tmp_path / "pairs", 1 if method not in TRAINED else 12, size=64)
    needed: tuple[str, ...] = ()
    if experiment == "tuned":
        needed = ("method.tune_steps=1",)
    if experiment.startswith(GIVEN_CHECKPOINT):
        needed = (f"generator.checkpoint={write_small_checkpoint(tmp_path / 'small.safetensors', 128)}",)
    command = (f"experiment={experiment}", "data.root=pairs", "data.limit=1", *QUICK, *SMOKE[method], *needed)
    answer = unmask_cli(*command, "hydra.run.dir=run")
    assert answer.code == 0, answer.err
    metrics = report(tmp_path / "run")
    assert (metrics["status"], metrics["n"]) == ("complete", 1)
    assert metrics["metrics"]["hole/psnr"]["mean"] > 0
    assert OmegaConf.load(tmp_path / "run" / "config.yaml").experiment == experiment


def test_a_run_of_a_version_without_expression_goes_on_without_it(
    unmask_cli: Cli, masked_tree: Path, tmp_path: Path, notes: Path
) -> None:
    command = (*PROBE, *QUICK, f"data.root={masked_tree}", "hydra.run.dir=run")
    assert unmask_cli(*command).code == 0
    written = tmp_path / "run" / "config.yaml"
    config = OmegaConf.load(written)
    del config.evaluation["expression"]
    OmegaConf.save(config, written)
    assert "already complete" in unmask_cli(*command).out
    refused = unmask_cli(*command, "evaluation.expression=true")
    assert refused.code == 2
    assert "evaluation.expression: None -> True" in refused.err


def test_nobody_looks_twice_at_a_finished_run(unmask_cli: Cli, masked_tree: Path, tmp_path: Path, notes: Path) -> None:
    command = (*PROBE, *QUICK, f"data.root={masked_tree}", "hydra.run.dir=run")
    assert unmask_cli(*command).code == 0
    before, asked = files(tmp_path / "run"), notes.read_text()
    again = unmask_cli(*command, "data.batch_size=2")
    assert again.code == 0
    assert "already complete" in again.out
    assert str(tmp_path / "run" / "grid.png") in again.out
    assert files(tmp_path / "run") == before
    assert notes.read_text() == asked


def test_a_directory_belongs_to_one_configuration(unmask_cli: Cli, masked_tree: Path, tmp_path: Path) -> None:
    command = ("method=copy", *QUICK, f"data.root={masked_tree}", "hydra.run.dir=run")
    assert unmask_cli(*command, "data.limit=2").code == 0
    answer = unmask_cli(*command, "data.limit=3")
    assert answer.code == 2
    assert "data.limit: 2 -> 3" in answer.err
    assert report(tmp_path / "run")["n"] == 2


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("data.root=nowhere",), "nowhere"),
        (("data.root=empty",), "empty"),
        (("data.root=masked_tree", "device=cuda:99"), "cuda:99"),
        (("data.root=masked_tree", "occlusion=difference"), "difference"),
        (("data.root=masked_tree", "data.split=test", "data.test_fraction=0"), "split"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...], named: str, unmask_cli: Cli, masked_tree: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty" / "ffhq").mkdir(parents=True)
    (tmp_path / "empty" / "cmfd").mkdir()
    answer = unmask_cli("method=copy", *QUICK, *arguments, "hydra.run.dir=run")
    assert answer.code == 2, answer.err
    assert named in answer.err
    assert "Traceback" not in answer.err + answer.out
    assert "Traceback" in (tmp_path / "run" / "run.log").read_text()


@pytest.mark.parametrize(("override", "named"), [("method.radiuz=3", "radiuz"), ("method.radius=wide", "wide")])
def test_an_unknown_key_or_value_ends_before_any_work(
    override: str, named: str, unmask_cli: Cli, tmp_path: Path
) -> None:
    answer = unmask_cli("method=inpaint", override, "hydra.run.dir=run")
    assert answer.code == 1
    assert named in answer.err
    assert not (tmp_path / "run").exists()


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def test_a_truncated_jpeg_is_named_and_the_rest_goes_on(unmask_cli: Cli, masked_tree: Path, tmp_path: Path) -> None:
    truncate(masked_tree / "cmfd" / "00000" / "00002_Mask.jpg")
    answer = unmask_cli("method=copy", *QUICK, f"data.root={masked_tree}", "hydra.run.dir=run")
    assert answer.code == 0, answer.err
    metrics = report(tmp_path / "run")
    assert (metrics["status"], metrics["n"]) == ("complete", 4)
    assert [failure["id"] for failure in metrics["failures"]] == ["00002"]
    assert "00002_Mask.jpg" in metrics["failures"][0]["reason"]
    assert "00002_Mask.jpg" in answer.out


def test_strict_stops_at_a_truncated_jpeg(unmask_cli: Cli, masked_tree: Path, tmp_path: Path) -> None:
    truncate(masked_tree / "cmfd" / "00000" / "00002_Mask.jpg")
    answer = unmask_cli("method=copy", *QUICK, f"data.root={masked_tree}", "hydra.run.dir=run", "data.strict=true")
    assert answer.code == 2
    assert "00002_Mask.jpg" in answer.err
    assert report(tmp_path / "run")["status"] == "incomplete"


def test_a_full_disk_keeps_what_is_finished(
    unmask_cli: Cli, masked_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, notes: Path
) -> None:
    def full_from_the_third(image: torch.Tensor, path: Path) -> None:
        if path.stem == "00002":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        save_image(image, path)

    command = (*PROBE, *QUICK, f"data.root={masked_tree}", "hydra.run.dir=run")
    with monkeypatch.context() as patch:
        patch.setattr("unmask.making.outputs.save_image", full_from_the_third)
        answer = unmask_cli(*command)
    assert answer.code == 2
    assert "No space left" in answer.err
    assert "Traceback" not in answer.err
    assert (report(tmp_path / "run")["status"], report(tmp_path / "run")["n"]) == ("incomplete", 2)
    before = files(tmp_path / "run")
    notes.write_text("")
    assert unmask_cli(*command).code == 0
    assert [line.split()[0] for line in notes.read_text().splitlines()] == ["00002", "00003", "00004"]
    assert before.items() <= files(tmp_path / "run").items()


def test_the_programs_own_fault_shows_where(unmask_cli: Cli, masked_tree: Path, notes: Path) -> None:
    answer = unmask_cli(*PROBE, *QUICK, f"data.root={masked_tree}", f"method.radius={BUG}")
    assert answer.code == 1
    assert "RuntimeError: the programmer's fault" in answer.err
    assert "probe_method.py" in answer.err


@pytest.mark.slow
def test_killed_then_interrupted_then_finished(
    unmask_cli: Cli, masked_tree: Path, tmp_path: Path, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real processes: SIGKILL leaves no time for anything, SIGINT ends with 130; no picture is done twice."""
    run_dir = tmp_path / "run"
    command = (*PROBE, *QUICK, f"data.root={masked_tree}", f"hydra.run.dir={run_dir}")

    killed = start(command, tmp_path)
    wait_for_rows(killed, run_dir, 1)
    killed.kill()
    killed.communicate()
    assert report(run_dir)["status"] == "incomplete"
    after_kill = {id: files(run_dir)[f"composite/{id}.png"] for id in finished(run_dir)}

    interrupted = start(command, tmp_path)
    wait_for_rows(interrupted, run_dir, len(after_kill) + 1)
    interrupted.send_signal(signal.SIGINT)
    _, err = interrupted.communicate(timeout=60)
    assert interrupted.returncode == 130
    assert str(run_dir) in err
    assert "Traceback" not in err
    done = finished(run_dir)
    assert len(after_kill) < len(done) < 5
    assert f"{len(done)} finished pictures are kept" in err
    metrics = report(run_dir)
    assert (metrics["status"], metrics["n"]) == ("incomplete", len(done))

    notes.write_text("")
    monkeypatch.setenv(SECONDS, "0")
    assert unmask_cli(*command).code == 0
    assert report(run_dir)["status"] == "complete"
    assert [line.split()[0] for line in notes.read_text().splitlines()] == [f"{i:05d}" for i in range(len(done), 5)]
    assert {id: files(run_dir)[f"composite/{id}.png"] for id in after_kill} == after_kill
    with Image.open(run_dir / "grid.png") as grid:
        assert grid.height > 5 * 32


def start(command: tuple[str, ...], folder: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), SECONDS: "0.7"}
    words = [sys.executable, "-m", "unmask.run", *command]
    return subprocess.Popen(
        words,
        cwd=folder,
        env=environment,
        text=True,
        stderr=subprocess.PIPE,
        # Started in the background, a shell's children ignore Ctrl-C, and theirs would too.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def finished(run_dir: Path) -> list[str]:
    table = run_dir / "metrics.csv"
    return [line.split(",")[0] for line in table.read_text().splitlines()[1:]] if table.exists() else []


def wait_for_rows(process: subprocess.Popen[str], run_dir: Path, count: int) -> None:
    for _ in range(1200):
        if len(finished(run_dir)) >= count:
            return
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)
    process.kill()
    pytest.fail("no picture was finished within a minute")
