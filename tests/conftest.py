"""What tests share: where real pairs are, made-up pairs, and the command line called in this process."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from probe_method import NOTES

REPOSITORY = Path(__file__).resolve().parents[1]
QUICK = (
    "data=ffhq_cmfd",
    "data.resolution=32",
    "evaluation.identity=false",
    "evaluation.expression=false",
    "device=cpu",
    "progress=false",
)
"""Settings of runs whose numbers do not matter."""


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real pictures that is kept outside the repository; $UNMASK_SHARED_DATA names it."""
    folder = Path(os.environ.get("UNMASK_SHARED_DATA") or REPOSITORY.parent / "shared" / "data")
    if not (folder / "ffhq_cmfd").is_dir():
        pytest.skip(f"no real pairs in {folder} (set UNMASK_SHARED_DATA)")
    return folder


def write_pair_tree(root: Path, count: int, *, size: int = 32, clean: bool = True) -> Path:
    """`count` made-up pairs laid out as FFHQ and MaskedFace-Net, ids 00000 and on, with painted occlusions.

    Without clean pictures no metric needs pretrained weights, and a run takes no time.
    """
    for index in range(count):
        coarse = np.random.default_rng(index).integers(40, 215, (4, 4, 3), dtype=np.uint8)
        picture = Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)
        box = (size // 4, size // 2, 3 * size // 4, 7 * size // 8)
        occlusion = Image.new("L", (size, size))
        occlusion.paste(255, box)
        masked = picture.copy()
        masked.paste((120, 220, 250), box)
        files = {"cmfd": f"{index:05d}_Mask.jpg", "occlusion": f"{index:05d}.png"}
        if clean:
            files["ffhq"] = f"{index:05d}.png"
        for (folder, name), image in zip(files.items(), (masked, occlusion, picture), strict=False):
            path = root / folder / "00000" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            image.save(path)
    return root


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


@dataclass(frozen=True)
class Answer:
    """What a command answered; paths in `out` are never broken over lines."""

    code: int
    out: str
    err: str


Cli = Callable[..., Answer]
"""``python -m unmask.run ARGUMENTS`` in this process; see `unmask_cli`."""


def succeed(answer: Answer) -> str:
    """The stdout of a command that ended well."""
    assert answer.code == 0, answer.err
    return answer.out


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
