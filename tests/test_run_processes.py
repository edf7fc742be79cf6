"""What a run's processes may be, and that one process is only itself; evaluation/test_sharing.py has real ones."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from helpers.command import Cli
from unmask.errors import UnmaskError
from unmask.fingerprint import config_hash, differences
from unmask.processes import SingleProcess, start_processes
from unmask.results.layout import FAILURE_FILE

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("devices", "num_nodes", "device", "named"),
    [
        (0, 1, "cpu", "devices=0 num_nodes=1"),
        (1, 0, "cpu", "devices=1 num_nodes=0"),
        (2, 1, "cuda:1", "Use device=cuda; CUDA_VISIBLE_DEVICES"),
    ],
)
def test_senseless_processes_are_refused(devices: int, num_nodes: int, device: str, named: str, tmp_path: Path) -> None:
    with pytest.raises(UnmaskError, match=named):
        start_processes(devices, num_nodes, torch.device(device), tmp_path)


def test_more_processes_than_torchrun_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("TORCHELASTIC_RUN_ID", "1"), ("WORLD_SIZE", "2"), ("RANK", "0"), ("LOCAL_RANK", "0")):
        monkeypatch.setenv(name, value)
    with pytest.raises(UnmaskError, match=r"devices=3 num_nodes=1 on cpu: .*world size \(2\)"):
        start_processes(3, 1, CPU, tmp_path)
    with pytest.raises(UnmaskError, match="torchrun started 2 processes, but the run is to have one"):
        start_processes(1, 1, CPU, tmp_path)


def test_one_process_is_only_itself(tmp_path: Path) -> None:
    with start_processes(1, 1, CPU, tmp_path) as processes:
        assert isinstance(processes, SingleProcess)
        assert (processes.rank, processes.count, processes.first) == (0, 1, True)
        assert processes.share("abc") == ("a", "b", "c")
        assert processes.broadcast([1]) == [1]
        assert processes.gather({"a": 1}) == [{"a": 1}]
        processes.advance(2)
        assert processes.done == 2
    with pytest.raises(KeyError), SingleProcess(CPU):
        raise KeyError


@pytest.mark.slow
def test_one_process_needs_no_fabric(masked_tree: Path, tmp_path: Path) -> None:
    program = (
        "import sys; from unmask.run import main; main(); import torch; "
        "assert 'lightning_fabric' not in sys.modules; assert not torch.distributed.is_initialized()"
    )
    words = (
        "method=inpaint", "data=ffhq_cmfd", "data.resolution=32", "device=cpu", "progress=false",
        f"data.root={masked_tree}", "evaluation.identity=false", f"hydra.run.dir={tmp_path / 'run'}",
    )  # fmt: skip
    subprocess.run([sys.executable, "-c", program, *words], check=True, cwd=tmp_path)
    assert not list((tmp_path / "run").glob("metrics.?.csv"))


def test_shares_are_every_other_one() -> None:
    one, two = SingleProcess(CPU), SingleProcess(CPU)
    one.count = two.count = 2
    two.rank = 1
    assert (one.share("abcde"), two.share("abcde")) == (("a", "c", "e"), ("b", "d"))
    assert two.share("a") == ()


def test_a_job_of_a_multirun_has_one_process(unmask_cli: Cli, masked_tree: Path, tmp_path: Path) -> None:
    unmask_cli(
        "-m", "method=inpaint", "data=ffhq_cmfd", f"data.root={masked_tree}", "device=cpu", "devices=2",
        "method.radius=3,5", "hydra.sweep.dir=sweep",
    )  # fmt: skip
    notes = [json.loads(path.read_text())["reason"] for path in (tmp_path / "sweep").glob(f"*/{FAILURE_FILE}")]
    assert len(notes) == 2
    assert all("devices=2 num_nodes=1: a job of a multirun cannot start processes" in reason for reason in notes)


def test_processes_have_influence_on_trainings_alone() -> None:
    def asked(devices: int, **method: object) -> DictConfig:
        return OmegaConf.create({"devices": devices, "num_nodes": 1, "method": {"name": "any", **method}})

    assert config_hash(asked(1)) == config_hash(asked(2))
    assert config_hash(asked(1, checkpoint="run")) == config_hash(asked(2, checkpoint="run"))
    assert differences(asked(1, checkpoint=None), asked(2, checkpoint=None)) == ["devices: 1 -> 2"]
