"""The page in a real browser, with an unmasker that is quick and says what it was asked."""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
import pytest
from PIL import Image

from helpers.fake_unmasker import PAINT, FakeUnmasker, photo_file

pytest.importorskip("gradio", reason="the page needs gradio (extra web)")
playwright = pytest.importorskip("playwright.sync_api", reason="the page's tests need playwright (extra dev)")

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
PATIENCE = 60_000
"""Milliseconds that anything may take on a busy machine."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no Chromium is installed (apt-get install chromium)")
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=path, args=FLAGS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def unmasker() -> FakeUnmasker:
    return FakeUnmasker()


@pytest.fixture(scope="module")
def served(unmasker: FakeUnmasker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The page's address, and the folder of what is uploaded and made."""
    from unmask.web.server import start

    folder = tmp_path_factory.mktemp("served")
    page, address = start(lambda method: unmasker, folder, most_mb=2.0)  # type: ignore[arg-type,return-value]
    yield address, folder / "uploads"
    page.close()


@pytest.fixture
def visit(browser: Any, served: tuple[str, Path]) -> Iterator[Callable[..., Any]]:
    """Open the page in a window of its own; every request is to its own host."""
    address, _ = served
    contexts = []
    asked: list[str] = []

    def go(width: int = 1280, height: int = 900) -> Any:
        context = browser.new_context(viewport={"width": width, "height": height}, accept_downloads=True)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        page.wait_for_selector("#photo input[type=file]", state="attached")
        return page

    yield go
    for context in contexts:
        context.close()
    hosts = {urlparse(url).hostname for url in asked if not url.startswith(("data:", "blob:"))}
    assert hosts == {urlparse(address).hostname}


def upload(page: Any, path: Path) -> None:
    page.set_input_files("#photo input[type=file]", str(path))


def found(page: Any) -> None:
    """Wait until the mask is shown."""
    page.wait_for_selector("#painted canvas")
    page.wait_for_function("!document.querySelector('#start').disabled")
    time.sleep(1.0)  # the editor puts its layer on some frames later


def run(page: Any) -> None:
    page.click("#start")
    page.wait_for_selector("#compared img")
    page.wait_for_selector("#download", state="visible")


def downloaded(page: Any) -> np.ndarray:
    with page.expect_download() as waiting:
        page.click("#download")
    return np.asarray(Image.open(io.BytesIO(Path(waiting.value.path()).read_bytes())).convert("RGB"))


def test_upload_run_compare_download(visit: Any, unmasker: FakeUnmasker, tmp_path: Path) -> None:
    path = photo_file(tmp_path)
    page = visit()
    upload(page, path)
    found(page)
    assert "is a guess" in page.inner_text("body")
    assert "Face 3 is left alone" in page.inner_text("#note")
    assert "Look at face 2" in page.inner_text("#note")
    run(page)
    assert page.locator("#compared img").count() >= 2
    call = unmasker.calls[-1]
    assert call["ended"] and call["faces"] == (0, 1) and call["occlusion"] is None and call["answers"] == 1
    before, after = np.asarray(Image.open(path)), downloaded(page)
    filled = unmasker.find(path).occlusion
    assert (after[filled] == PAINT).all()
    np.testing.assert_array_equal(after[~filled], before[~filled])


def test_the_brush_corrects_the_mask(visit: Any, unmasker: FakeUnmasker, tmp_path: Path) -> None:
    page = visit()
    upload(page, photo_file(tmp_path))
    found(page)
    canvas = page.locator("#painted canvas").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    x, y = box["x"] + 0.8 * box["width"], box["y"] + 0.5 * box["height"]
    page.mouse.move(x - 30, y)
    page.mouse.down()
    page.mouse.move(x, y, steps=8)
    page.mouse.move(x + 30, y, steps=8)
    page.mouse.up()
    time.sleep(1.0)
    run(page)
    occlusion = unmasker.calls[-1]["occlusion"]
    assert occlusion is not None and occlusion.shape == (600, 900)
    automatic = unmasker.find(photo_file(tmp_path)).occlusion
    assert (occlusion & automatic).sum() > 0.95 * automatic.sum()  # what was found is still there
    added = occlusion & ~automatic
    assert added[:, 560:].sum() > 300  # the stroke, on the right


def test_faces_are_chosen_by_a_click_and_several_answers_shown(
    visit: Any, unmasker: FakeUnmasker, tmp_path: Path
) -> None:
    page = visit()
    upload(page, photo_file(tmp_path))
    found(page)
    picture = page.locator("#boxes img")
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    # the picture is shown whole in its box: at its own ratio, in the middle
    scale = min(box["width"] / 900, box["height"] / 600)
    x = box["x"] + box["width"] / 2 + (0.2 - 0.5) * 900 * scale
    page.mouse.click(x, box["y"] + box["height"] / 2)
    page.wait_for_function("document.querySelectorAll('#faces input:checked').length == 1")
    page.fill("#answers input[type=number]", "3")
    page.keyboard.press("Tab")
    run(page)
    assert unmasker.calls[-1]["faces"] == (1,)
    assert unmasker.calls[-1]["answers"] == 3
    assert page.locator("#gallery img").count() >= 3
    filled = unmasker.find(photo_file(tmp_path)).occlusion
    assert (downloaded(page)[filled] == PAINT).all()
    page.locator("#gallery button img").nth(2).click()
    time.sleep(2.0)
    assert (downloaded(page)[filled] == np.array(PAINT) + 40).all()


def test_stop_stops_and_another_run_follows(visit: Any, unmasker: FakeUnmasker, tmp_path: Path) -> None:
    page = visit()
    upload(page, photo_file(tmp_path))
    found(page)
    unmasker.seconds_a_step = 0.7
    page.click("#start")
    page.wait_for_selector("#status progress")
    page.click("#stop")
    page.wait_for_function("!document.querySelector('#start').disabled")
    unmasker.seconds_a_step = 0.02
    time.sleep(2.0)
    assert not unmasker.calls[-1]["ended"]
    run(page)
    assert unmasker.calls[-1]["ended"]


def test_a_broken_file_is_told_and_the_next_one_works(visit: Any, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(photo_file(tmp_path).read_bytes()[:3000])
    page = visit()
    upload(page, broken)
    page.wait_for_function("document.querySelector('#note').innerText.includes('cannot be used')")
    assert "broken.png" in page.inner_text("#note")
    assert page.is_disabled("#start")
    page.reload()
    page.wait_for_selector("#photo input[type=file]", state="attached")
    upload(page, photo_file(tmp_path))
    found(page)
    run(page)


def test_uploads_have_a_limit(visit: Any, tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (1200, 1200, 3), np.uint8)).save(large)
    assert large.stat().st_size > 2_000_000
    page = visit()
    upload(page, large)
    page.wait_for_function("document.body.innerText.includes('exceed')")
    assert page.is_disabled("#start")


def test_a_narrow_window(visit: Any, tmp_path: Path) -> None:
    page = visit(width=390, height=800)
    upload(page, photo_file(tmp_path))
    found(page)
    run(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_nothing_is_kept_when_the_last_page_is_closed(visit: Any, served: tuple[str, Path], tmp_path: Path) -> None:
    _, uploads = served
    page = visit()
    upload(page, photo_file(tmp_path))
    found(page)
    assert any(path.is_file() for path in uploads.rglob("*"))
    page.context.close()
    end = time.monotonic() + 30
    while any(path.is_file() for path in uploads.rglob("*")) and time.monotonic() < end:
        time.sleep(0.5)
    assert not any(path.is_file() for path in uploads.rglob("*"))


def test_without_gradio_one_line_says_what_to_install() -> None:
    code = (
        "import importlib.util as u, sys; find = u.find_spec; "
        "u.find_spec = lambda name, *rest: None if name == 'gradio' else find(name, *rest); "
        "from unmask.web.__main__ import main; sys.exit(main([]))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert answer.returncode == 2
    assert answer.stderr.strip() == "The page needs one more package: pip install 'unmask[web]'"
