"""Real processes: one that is killed and resumed, and two that together do what one does."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from helpers import real_processes
from helpers.bounds import without_gradient
from helpers.command import Cli, succeed, write_pair_tree
from helpers.real_processes import PLAIN, TORCHRUN, finish, outcome
from unmask.config import CycleGANConfig, Pix2PixConfig
from unmask.methods.cyclegan import CycleGAN
from unmask.methods.pix2pix import Pix2Pix
from unmask.networks.kinds import Norm

pytestmark = [pytest.mark.slow, pytest.mark.weights, pytest.mark.usefixtures("one_thread")]
SIZE = 64
COMMON = (
    "data=ffhq_cmfd",
    "data.root=pairs",
    f"data.resolution={SIZE}",
    "data.split=all",
    "data.limit=2",
    "evaluation.identity=false",
    "evaluation.expression=false",
    "device=cpu",
    "progress=false",
    "method.ngf=2",
    "method.ndf=2",
    "training.validation_pictures=1",
)


def start(folder: Path, run: str | None, *arguments: str, launcher: tuple[str, ...] = PLAIN) -> subprocess.Popen[str]:
    """The command in `folder`, into the directory `run` or one by the time of day."""
    where = () if run is None else (f"hydra.run.dir={run}",)
    return real_processes.start(folder, *COMMON, *arguments, *where, launcher=launcher)


def state_of(run: Path) -> dict[str, Any]:
    return torch.load(run / "checkpoints" / "training.pt", weights_only=True)


def largest_difference(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    assert list(one) == list(other)
    return max(float((one[name].double() - other[name].double()).abs().max()) for name in one)


def test_a_killed_training_ends_with_the_same_bits(unmask_cli: Cli, tmp_path: Path) -> None:
    write_pair_tree(tmp_path / "pairs", 12, size=SIZE)
    steps = 60
    settings = (
        "method=pix2pix", "method.depth=6", "method.dropout=true", f"training.max_steps={steps}",
        "training.checkpoint_every=7", "training.num_workers=1", "training.ema_decay=0.9",
    )  # fmt: skip
    killed = start(tmp_path, "killed", *settings)
    saved = tmp_path / "killed" / "checkpoints" / "training.pt"
    while not saved.is_file():
        assert killed.poll() is None, killed.communicate()[1]
        time.sleep(0.002)
    killed.kill()
    killed.communicate()
    reached = state_of(tmp_path / "killed")["progress"]["step"]
    assert 0 < reached < steps
    succeed(unmask_cli(*COMMON, *settings, "hydra.run.dir=killed"))
    succeed(unmask_cli(*COMMON, *settings, "hydra.run.dir=whole"))
    assert f"Resuming after step {reached}" in (tmp_path / "killed" / "run.log").read_text()
    for kind in ("best", "last"):
        file = Path("checkpoints") / f"{kind}.safetensors"
        assert (tmp_path / "killed" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()
    one, other = state_of(tmp_path / "killed"), state_of(tmp_path / "whole")
    assert largest_difference(one["parameters"], other["parameters"]) == 0
    for name in one["optimisers"]:
        for index, moments in one["optimisers"][name]["state"].items():
            assert largest_difference(moments, other["optimisers"][name]["state"][index]) == 0


@pytest.mark.parametrize(
    ("launcher", "method", "network"),
    [
        (
            PLAIN,
            ("method=pix2pix", "method.depth=5", "method.norm=instance", "method.dropout=false"),
            lambda: Pix2Pix(Pix2PixConfig(ngf=2, ndf=2, depth=5, norm=Norm.instance)),
        ),
        (
            TORCHRUN,
            ("method=cyclegan", "method.blocks=1", "method.pool_size=0"),
            lambda: CycleGAN(CycleGANConfig(ngf=2, ndf=2, blocks=1)),
        ),
    ],
    ids=["pix2pix", "cyclegan by torchrun"],
)
def test_two_processes_are_one_with_the_same_batch(
    launcher: tuple[str, ...],
    method: tuple[str, ...],
    network: Callable[[], nn.Module],
    unmask_cli: Cli,
    tmp_path: Path,
) -> None:
    """In double precision, for Adam's first steps turn the rounding of tiny gradients into steps of full size; without
    the parameters that have no gradient at all."""
    write_pair_tree(tmp_path / "pairs", 12, size=SIZE)
    settings = (
        *method, "training.batch_size=2", "training.max_steps=4", "training.precision=64-true",
        "training.num_workers=0", "training.crop=null", "training.resize=null",
    )  # fmt: skip
    succeed(unmask_cli(*COMMON, *settings, "hydra.run.dir=one"))
    finish(start(tmp_path, "two", *settings, "devices=2", launcher=launcher))
    one, two = state_of(tmp_path / "one"), state_of(tmp_path / "two")
    assert (len(one["own"]), len(two["own"])) == (1, 2)
    moving = [name for name in one["parameters"] if name not in without_gradient(network())]
    assert len(moving) < len(one["parameters"])
    # Sums in another order change a gradient in double precision by 1e-13 of the largest; where one is that much
    # smaller than the rest, a step of 2e-4 changes by a millionth, and there are four.
    assert largest_difference(*({name: run["parameters"][name] for name in moving} for run in (one, two))) < 1e-9
    for id in ("00000", "00001"):  # each of the two unmasked one
        pictures = (tmp_path / run / "raw" / f"{id}.png" for run in ("one", "two"))
        assert len({path.read_bytes() for path in pictures}) == 1
    succeed(unmask_cli(*COMMON, *settings, "training.max_steps=1", "hydra.run.dir=begun"))
    moved = largest_difference(state_of(tmp_path / "begun")["parameters"], one["parameters"])
    # Adam's steps are of 2e-4 from the first on
    assert moved > 1e-5, "the training must have moved something"


def test_torchrun_needs_one_directory_for_all(tmp_path: Path) -> None:
    write_pair_tree(tmp_path / "pairs", 12, size=SIZE)
    process = start(tmp_path, None, "method=cyclegan", "training.batch_size=2", "devices=2", launcher=TORCHRUN)
    code, _, err = outcome(process)
    assert code != 0
    assert "name one for all: hydra.run.dir=" in err
