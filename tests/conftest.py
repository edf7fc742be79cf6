"""What tests share: where real pairs are, made-up pairs, and the command line called in this process."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.command import Answer, Cli, write_pair_tree
from helpers.probe_method import NOTES

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real pictures that is kept outside the repository; $UNMASK_SHARED_DATA names it."""
    folder = Path(os.environ.get("UNMASK_SHARED_DATA") or REPOSITORY.parent / "shared" / "data")
    if not (folder / "ffhq_cmfd").is_dir():
        pytest.skip(f"no real pairs in {folder} (set UNMASK_SHARED_DATA)")
    return folder


@pytest.fixture
def masked_tree(tmp_path: Path) -> Path:
    """Five masked pictures of 32 pixels with painted occlusions; no clean ones."""
    return write_pair_tree(tmp_path / "masked_tree", 5, clean=False)


@pytest.fixture
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which the method of probe_method.py notes what it is asked."""
    path = tmp_path / "notes.txt"
    path.touch()
    monkeypatch.setenv(NOTES, str(path))
    return path


@pytest.fixture
def hydra_ready() -> Iterator[None]:
    """Configurations can be composed, with every schema and resolver."""
    from hydra import initialize_config_dir

    from unmask.config import register
    from unmask.config_dir import config_dir
    from unmask.sweep.naming import register_resolvers

    register()
    register_resolvers()
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        yield


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Sums of floats in the order in which a process started with OMP_NUM_THREADS=1 takes them."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def unmask_cli(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Cli]:
    """``python -m unmask.run ARGUMENTS`` in this process, from the current directory `tmp_path`."""
    from unmask.run import main

    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level

    def call(*arguments: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["unmask", *arguments])
        capfd.readouterr()
        code = 0
        try:
            main()
        except SystemExit as ending:
            code = int(ending.code or 0)
        captured = capfd.readouterr()
        return Answer(code, captured.out, captured.err)

    yield call
    for handler in root.handlers:
        if handler not in handlers:
            handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("unmask").setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of the reference programs' arrays, kept outside the repository; $UNMASK_GOLDEN names it."""
    folder = Path(os.environ.get("UNMASK_GOLDEN") or REPOSITORY.parent / "shared" / "golden")
    if not folder.is_dir():
        pytest.skip(f"no arrays of the reference programs in {folder} (set UNMASK_GOLDEN)")
    return folder
