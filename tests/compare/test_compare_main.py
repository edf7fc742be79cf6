"""The command from end to end, its mistakes and its exit codes."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from helpers.command import QUICK, Answer
from helpers.made_runs import make_run
from unmask.compare.__main__ import main

FILES = ("compare.csv", "compare.md", "compare.png")


@pytest.fixture(autouse=True)
def _in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_two_runs_from_the_command_to_the_table(
    unmask_cli: Callable[..., Answer], masked_tree: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for method in ("copy", "inpaint"):
        assert unmask_cli(f"method={method}", *QUICK, f"data.root={masked_tree}").code == 0
    assert main([]) == 0
    out = capfd.readouterr().out
    assert "copy" in out and "inpaint" in out and "compare.md" in out
    folder = tmp_path / "outputs" / "compare"
    assert sorted(path.name for path in folder.iterdir()) == list(FILES)
    with (folder / "compare.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["run"] for row in rows} == {"copy", "inpaint"}
    visible = [row for row in rows if row["metric"] == "visible/max_abs_change"]
    assert [(row["mean"], row["n"], row["best"]) for row in visible] == [("0.0", "5", "false")] * 2
    with Image.open(folder / "compare.png") as picture:
        assert picture.height > 5 * 32
        assert picture.width > 3 * 32

    first = written(folder)
    assert main(["outputs/copy_*", "outputs/inpaint_*", "--rows", "2"]) == 0  # outputs/compare is no run
    again = written(folder)
    assert sorted(again) == list(FILES)
    assert again["compare.csv"] == first["compare.csv"]
    assert again["compare.png"] != first["compare.png"]


def refused(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 2
    captured = capfd.readouterr()
    assert captured.err.count("\n") == 1
    assert not Path("outputs/compare").exists()
    return captured.err


def test_other_ids_need_common_and_the_file_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    make_run(Path("outputs/a"), {"hole/psnr": [1.0, 3.0, 8.0]})
    make_run(Path("outputs/b"), {"hole/psnr": [2.0, 4.0]}, method="inpaint")
    assert "inpaint has 2 and lacks 1 (00002)" in refused(capfd, "outputs/a", "outputs/b")
    assert main(["--common"]) == 0
    text = Path("outputs/compare/compare.md").read_text()
    assert "Pictures that not all runs have are left out: grey has 3, of which 2 are compared." in text
    assert "| grey | 2 |" in text and "2.00 [" in text


def test_without_names_the_largest_set_is_compared_whatever_lies_there(capfd: pytest.CaptureFixture[str]) -> None:
    make_run(Path("outputs/a"), {"hole/psnr": [1.0, 3.0]})
    make_run(Path("outputs/b"), {"hole/psnr": [2.0, 4.0]}, method="inpaint")
    make_run(Path("outputs/other"), {"hole/psnr": [2.0, 4.0]}, inputs=["x", "y"])
    make_run(Path("outputs/begun"), {"hole/psnr": [2.0]}, complete=False)
    for name, content in (("list", "[]"), ("text", "no JSON"), ("empty", "{}")):
        Path("outputs", name).mkdir()
        Path("outputs", name, "metrics.json").write_text(content)
    assert main([]) == 0
    text = Path("outputs/compare/compare.md").read_text()
    assert "# Comparison of 2 runs" in text
    assert "outputs/other (the same ids, but other pictures)" in text and "outputs/begun (not finished)" in text
    assert all(f"outputs/{name} (metrics.json: damaged" in text for name in ("list", "text", "empty"))


def test_without_names_what_cannot_be_shown_or_has_another_size_stands_aside(capfd: pytest.CaptureFixture[str]) -> None:
    make_run(Path("outputs/a"), {"hole/psnr": [1.0, 3.0]})
    make_run(Path("outputs/b"), {"hole/psnr": [2.0, 4.0, 5.0]}, method="inpaint")
    make_run(Path("outputs/large"), {"hole/psnr": [2.0, 4.0]}, resolution=64)
    gone = make_run(Path("outputs/gone"), {"hole/psnr": [2.0, 4.0]}) / "composite" / "00001.png"
    gone.unlink()
    assert main(["--common"]) == 0
    text = Path("outputs/compare/compare.md").read_text()
    assert "# Comparison of 2 runs" in text and "| grey | 2 |" in text
    assert f"outputs/gone ({gone}: missing)" in text and "outputs/large (64 pixels, not 32)" in text


def test_unfinished_runs(capfd: pytest.CaptureFixture[str]) -> None:
    make_run(Path("outputs/a"), {"hole/psnr": [1.0]})
    make_run(Path("outputs/b"), {"hole/psnr": [2.0]}, method="inpaint", complete=False)
    assert "outputs/b (pictures so far: 1)" in refused(capfd, "outputs/a", "outputs/b")
    assert main([]) == 0  # by default the finished ones
    text = Path("outputs/compare/compare.md").read_text()
    assert "Left aside: outputs/b (not finished)." in text and "inpaint" not in text
    assert main(["--incomplete"]) == 0
    assert "Not finished: inpaint." in Path("outputs/compare/compare.md").read_text()


def test_mistakes_are_one_line_and_write_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    assert "outputs: no run there" in refused(capfd)
    run = make_run(Path("outputs/a"), {"hole/psnr": [1.0, 2.0]})
    assert "nowhere: no run there" in refused(capfd, "outputs/a", "nowhere")
    assert "--ids: 7 not among" in refused(capfd, "--ids", "00001,7")
    Path("file").touch()
    assert "--out file" in refused(capfd, "--out", "file")
    (run / "composite" / "00001.png").unlink()
    assert "00001.png: missing" in refused(capfd)
    (run / "metrics.json").write_text("{")
    assert "metrics.json: damaged" in refused(capfd, "outputs/a")
    assert "metrics.json: damaged" in refused(capfd)


@pytest.mark.parametrize("arguments", [["--sort", "beauty"], ["--rows", "0"], ["--rows", "few"]])
def test_a_wrong_option_ends_with_exit_code_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ending:
        main(arguments)
    assert ending.value.code == 2
