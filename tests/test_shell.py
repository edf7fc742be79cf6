"""Odd names between shell, Hydra and us, and folders that cannot be used."""

from __future__ import annotations

import errno
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import hydra.core.utils
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from helpers.command import QUICK, Cli, write_pair_tree
from helpers.probe_method import NOTES
from unmask.config import register
from unmask.config_dir import config_dir
from unmask.errors import UnmaskError
from unmask.shell import check_overrides, command, override
from unmask.sweep.naming import register_resolvers

ODD = (
    "My Drive (1)", "epoch=3", "a,b", "~/x", "it's", 'say "so"', "both ' and \"", "back\\slash\\", "null", "true",
    "1.0", "", " ", "${oc.env:HOME}", "$HOME `id`", "{a: b}", "[1", "顔", "tab\there", "a:b@c", "#5", "!x", "*?",
)  # fmt: skip
PROBE = ("method=inpaint", "method._target_=helpers.probe_method.Probe")


@pytest.mark.parametrize("name", ODD)
def test_a_name_goes_through_the_shell_and_hydra_and_comes_out_the_same(name: str) -> None:
    words = shlex.split(command([override("data.root", name)]))
    assert words[:3] == ["python", "-m", "unmask.run"]
    (parsed,) = OverridesParser.create().parse_overrides(words[3:])
    assert OmegaConf.create({"root": parsed.value()}).root == name


def test_odd_names_compose() -> None:
    register()
    register_resolvers()
    names = ("My Drive (1), 'x'", "${oc.env:HOME}")
    given = [override(key, name) for key, name in zip(("data.root", "hydra.run.dir"), names, strict=True)]
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        composed = compose("run", shlex.split(command(given))[3:], return_hydra_config=True)
    assert (composed.data.root, composed.hydra.run.dir) == names


@pytest.mark.parametrize("name", ["My Drive (1)", "epoch=3", "a,b", "~/x", "it's"])
def test_what_hydra_cannot_read_gets_a_line_that_it_can(name: str) -> None:
    with pytest.raises(UnmaskError) as caught:
        check_overrides(["method=copy", f"data.root={name}"])
    advice = str(caught.value).rpartition("shell: ")[2]
    (argument,) = shlex.split(advice)
    assert argument != f"data.root={name}"
    check_overrides([argument])


def test_what_hydra_can_read_is_left_to_it() -> None:
    check_overrides(["-m", "method.steps=1,2"])
    check_overrides(["experiment=study/lambda_sweep", "method.lambda_perceptual=0.8,10"])
    check_overrides(["data.root=plain/folder", "+x=[1,2]", "~data.ids", "--cfg", "job", "hydra.run.dir='a b'"])


def test_a_mistake_in_quoting_is_one_line(unmask_cli: Cli) -> None:
    answer = unmask_cli("method=copy", "data.root=My Drive (1)")
    assert (answer.code, answer.err.count("\n")) == (2, 1)
    assert "'data.root=\"My Drive (1)\"'" in answer.err


@pytest.mark.slow
def test_the_command_to_go_on_goes_on_in_a_shell(
    unmask_cli: Cli, tmp_path: Path, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = write_pair_tree(tmp_path / "My Drive (1)", 3)
    run_dir = tmp_path / "try (3) lr=3, 'x'"
    monkeypatch.setenv("PYTHONPATH", f"{os.environ.get('PYTHONPATH', '')}:{Path(__file__).parent}")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    given = (*PROBE, *QUICK, override("data.root", str(root)), override("hydra.run.dir", str(run_dir)))
    monkeypatch.setattr("unmask.run.work", interrupt)
    stopped = unmask_cli(*given)
    assert stopped.code == 130
    line = stopped.err.rstrip("\n").splitlines()[-1]
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert (run_dir / "metrics.json").is_file()
    assert Path(os.environ[NOTES]).read_text()


def interrupt(*_: Any) -> None:
    raise KeyboardInterrupt


def test_relative_paths_mean_the_folder_one_stood_in(unmask_cli: Cli, tmp_path: Path) -> None:
    write_pair_tree(tmp_path / "pairs", 1)
    answer = unmask_cli("method=copy", "data.root=pairs", *QUICK, "hydra.job.chdir=true", "hydra.run.dir=out")
    assert answer.code == 0, answer.err
    assert OmegaConf.load(tmp_path / "out" / "config.yaml").data.root == str(tmp_path / "pairs")
    assert (tmp_path / "out" / "metrics.json").is_file()
    sweep = ("-m", "seed=0,1", "hydra.sweep.dir=sweep", "hydra.job.chdir=true")
    assert unmask_cli(*sweep, "method=copy", "data.root=pairs", *QUICK).code == 0
    assert (tmp_path / "sweep" / "summary.csv").is_file()


@pytest.mark.parametrize("where", [("hydra.run.dir=file/out",), ("-m", "seed=0,1", "hydra.sweep.dir=file/out")])
def test_a_folder_that_cannot_be_made(where: tuple[str, ...], unmask_cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    answer = unmask_cli(*where, "method=copy", *QUICK)
    assert (answer.code, answer.err.count("\n")) == (2, 1), answer.err
    assert "file/out" in answer.err


@pytest.mark.parametrize("where", [("hydra.run.dir=no/out",), ("-m", "seed=0,1", "hydra.sweep.dir=no/out")])
def test_no_permission(
    where: tuple[str, ...], unmask_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever runs the tests may be allowed everything, so the system's answer is made up."""
    mkdir = Path.mkdir

    def refuse(self: Path, *arguments: Any, **options: Any) -> None:
        if "no" in self.parts:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
        mkdir(self, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", refuse)
    answer = unmask_cli(*where, "method=copy", *QUICK)
    assert (answer.code, answer.err.count("\n")) == (2, 1), answer.err
    assert "no/out may not be written" in answer.err


def test_a_full_disk_in_the_middle_of_a_sweep(unmask_cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second job finds no room, not even for what Hydra writes or for the note of its failure."""
    write_pair_tree(tmp_path / "pairs", 1)
    save = hydra.core.utils._save_config

    def save_config(config: Any, name: str, folder: Path) -> None:
        if "seed=1" in str(folder):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
        save(config, name, folder)

    monkeypatch.setattr(hydra.core.utils, "_save_config", save_config)
    command = ("-m", "seed=0,1,2", "method=copy", "data.root=pairs", *QUICK, "hydra.sweep.dir=out")
    answer = unmask_cli(*command)
    assert answer.code == 2, answer.err
    summary = (tmp_path / "out" / "summary.csv").read_text().splitlines()
    assert [line.split(",")[2] for line in summary[1:]] == ["complete", "failed", "complete"]
    assert "The disk is full" in summary[2]
