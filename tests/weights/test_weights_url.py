"""Downloads from a real server that breaks off, changes its file, or knows no ranges."""

from __future__ import annotations

import errno
import hashlib
import http.server
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from helpers.small_stylegan2 import write_small_checkpoint
from unmask.config import StyleGAN2Config
from unmask.errors import UnmaskError
from unmask.generators.stylegan2.generator import StyleGAN2
from unmask.weights import url as url_module
from unmask.weights.download import HubFile, download_hub_file
from unmask.weights.url import cached_name, fetch, is_url

CONTENT = np.random.default_rng(0).bytes(700_000)


class Server(http.server.ThreadingHTTPServer):
    """Serves `content` under every path, and writes down which ranges it was asked for.

    Attributes:
        breaks: how many bytes the next answers send at most; the connection is closed then.
        failures: status codes of the next answers.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.etag, self.date = CONTENT, '"one"', "Mon, 01 Jan 2024 00:00:00 GMT"
        self.ranges, self.if_range, self.lengths, self.chunked = True, True, True, False
        self.headers: dict[str, str] = {}
        self.breaks: list[int] = []
        self.failures: list[int] = []
        self.asked: list[str | None] = []

    def url(self, name: str = "net.pkl") -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        server, wanted = self.server, self.headers.get("Range")
        server.asked.append(wanted)
        self.close_connection = True
        if server.failures:
            self.send_error(server.failures.pop(0))
            return
        same = not server.if_range or self.headers.get("If-Range") in (server.etag, server.date)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and server.ranges and same else 0
        if start >= len(server.content):
            self.send_error(416)
            return
        body = server.content[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        facts = {"ETag": server.etag, "Last-Modified": server.date, "Content-Type": "application/octet-stream"}
        for name, value in (facts | server.headers).items():
            if value:
                self.send_header(name, value)
        if server.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif server.lengths:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        sent = body[: server.breaks.pop(0)] if server.breaks else body
        if server.chunked:
            self.wfile.write(f"{len(sent):x}\r\n".encode() + sent + b"\r\n")
            if sent == body:
                self.wfile.write(b"0\r\n\r\n")
        else:
            self.wfile.write(sent)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Says nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(url_module, "PAUSE_SECONDS", 0.01)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def left(folder: Path) -> set[str]:
    """The kinds of files in a folder, locks apart."""
    return {path.name.partition("net.pkl")[2] for path in folder.iterdir() if path.suffix != ".lock"}


def test_a_file_is_fetched_once(server: Server, tmp_path: Path) -> None:
    path = fetch(server.url(), tmp_path / "cache", progress=False)
    assert path.read_bytes() == CONTENT
    assert fetch(server.url(), tmp_path / "cache", progress=False) == path
    assert server.asked == [None]
    assert left(tmp_path / "cache") == {""}


def test_it_goes_on_where_it_broke_off(server: Server, tmp_path: Path) -> None:
    server.breaks = [300_000, 100_000, 0]
    assert fetch(server.url(), tmp_path, progress=False).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-", "bytes=400000-", "bytes=400000-"]
    assert left(tmp_path) == {""}


def test_another_process_goes_on(server: Server, tmp_path: Path) -> None:
    server.breaks = [300_000, *[0] * 10]
    with pytest.raises(UnmaskError, match=r"broke off after 300000 of 700000.*0\.3 MB are kept.*same command again"):
        fetch(server.url(), tmp_path, progress=False)
    assert left(tmp_path) == {".part", ".part.json"}
    assert len(server.asked) == 1 + url_module.ATTEMPTS
    server.breaks = []
    assert fetch(server.url(), tmp_path, progress=False).read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=300000-"


def broken_off(server: Server, folder: Path) -> None:
    """Leave the first 300,000 bytes in `folder`."""
    server.breaks = [300_000, *[0] * url_module.ATTEMPTS]
    with pytest.raises(UnmaskError):
        fetch(server.url(), folder, progress=False)
    server.breaks, server.asked = [], []


@pytest.mark.parametrize("validators", [{"etag": '"two"'}, {"etag": "", "date": "Tue, 02 Jan 2024 00:00:00 GMT"}])
def test_a_file_that_changed_is_not_glued_together(server: Server, tmp_path: Path, validators: dict[str, str]) -> None:
    if not validators["etag"]:
        server.etag = ""
    broken_off(server, tmp_path)
    vars(server).update(validators)
    server.content = CONTENT[::-1]
    assert fetch(server.url(), tmp_path, progress=False).read_bytes() == server.content
    assert server.asked == ["bytes=300000-"]


def test_nor_by_a_server_that_knows_no_if_range(server: Server, tmp_path: Path) -> None:
    broken_off(server, tmp_path)
    server.content, server.etag, server.if_range = CONTENT[::-1], '"two"', False
    assert fetch(server.url(), tmp_path, progress=False).read_bytes() == server.content
    assert server.asked == ["bytes=300000-", None]


def test_nor_if_only_its_length_tells(server: Server, tmp_path: Path) -> None:
    broken_off(server, tmp_path)
    server.content, server.if_range = CONTENT[:-1], False
    assert fetch(server.url(), tmp_path, progress=False).read_bytes() == server.content
    assert server.asked == ["bytes=300000-", None]


def test_a_file_that_became_shorter(server: Server, tmp_path: Path) -> None:
    broken_off(server, tmp_path)
    server.content, server.if_range = CONTENT[:1000], False
    assert fetch(server.url(), tmp_path, progress=False).read_bytes() == server.content


@pytest.mark.parametrize("etag", ["", 'W/"weak"'])
def test_what_cannot_be_told_apart_is_fetched_anew(server: Server, tmp_path: Path, etag: str) -> None:
    server.etag, server.date = etag, ""
    server.breaks = [300_000]
    assert fetch(server.url(), tmp_path, progress=False).read_bytes() == CONTENT
    assert server.asked == [None, None]


def test_a_server_without_ranges(server: Server, tmp_path: Path) -> None:
    server.ranges, server.breaks = False, [300_000]
    assert fetch(server.url(), tmp_path, progress=False).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-"]


def test_no_length_is_told(server: Server, tmp_path: Path) -> None:
    server.chunked, server.breaks = True, [300_000]
    assert fetch(server.url(), tmp_path, progress=False).read_bytes() == CONTENT
    assert len(server.asked) == 2


@pytest.mark.parametrize("damage", ["", "[]", '{"validator": 3, "size": null}', '{"validator": "x", "size": 10}'])
def test_damaged_notes_about_a_part(server: Server, tmp_path: Path, damage: str) -> None:
    broken_off(server, tmp_path)
    (note,) = tmp_path.glob("*.json")
    note.write_text(damage)
    assert fetch(server.url(), tmp_path, progress=False).read_bytes() == CONTENT
    assert server.asked == [None]


def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.failures = [503, 500]
    assert fetch(server.url(), tmp_path, progress=False).read_bytes() == CONTENT
    server.failures = [503] * url_module.ATTEMPTS
    with pytest.raises(UnmaskError, match=r"HTTP 503.*Nothing arrived"):
        fetch(server.url("other.pkl"), tmp_path, progress=False)


@pytest.mark.parametrize(("code", "words"), [(404, "404 Not Found"), (403, "403 Forbidden")])
def test_an_answer_that_will_not_change(server: Server, tmp_path: Path, code: int, words: str) -> None:
    server.failures = [code]
    with pytest.raises(UnmaskError, match=rf"{server.url()}: the server answers {words}\. Check that the address"):
        fetch(server.url(), tmp_path, progress=False)
    assert len(server.asked) == 1
    assert left(tmp_path) == set()


def test_a_web_page_is_not_kept(server: Server, tmp_path: Path) -> None:
    server.headers = {"Content-Type": "text/html; charset=utf-8"}
    with pytest.raises(UnmaskError, match=r"a web page, not a file.*give its path"):
        fetch(server.url(), tmp_path, progress=False)
    server.headers = {"Content-Encoding": "gzip"}
    with pytest.raises(UnmaskError, match="compressed"):
        fetch(server.url(), tmp_path, progress=False)
    assert left(tmp_path) == set()


def test_offline(server: Server, tmp_path: Path) -> None:
    broken_off(server, tmp_path)
    server.shutdown()
    server.server_close()
    with pytest.raises(UnmaskError, match=r"could not be fetched \(.*refused\)\. 0\.3 MB are kept.*give its path"):
        fetch(server.url(), tmp_path, progress=False)


@pytest.mark.parametrize(
    "address", ["http://", "http://a b/c", "http://127.0.0.1:port/net.pkl", f"http://{'x' * 70}.y/"]
)
def test_what_is_no_address(address: str, tmp_path: Path) -> None:
    with pytest.raises(UnmaskError):
        fetch(address, tmp_path, progress=False)


def test_a_full_disk_keeps_what_arrived(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken_off(server, tmp_path)

    class Full:
        def __init__(self, *_: Any, **__: Any) -> None: ...
        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None: ...
        def add_task(self, *_: Any, **__: Any) -> None: ...
        def advance(self, task: None, count: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(url_module, "download_bar", Full)
        with pytest.raises(UnmaskError, match=r"cannot be written to .*No space left.*Make room.*kept"):
            fetch(server.url(), tmp_path, progress=False)
    assert fetch(server.url(), tmp_path, progress=False).read_bytes() == CONTENT


def test_a_folder_that_cannot_be_made(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnmaskError, match=r"cannot be written to .*UNMASK_CACHE"):
        fetch(server.url(), tmp_path / "file" / "cache", progress=False)


def test_two_at_once_take_turns(server: Server, tmp_path: Path) -> None:
    paths: list[Path] = []
    threads = [
        threading.Thread(target=lambda: paths.append(fetch(server.url(), tmp_path, progress=False))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(paths)) == 1 and len(paths) == 4
    assert paths[0].read_bytes() == CONTENT
    assert server.asked == [None]


def test_torchvisions_files_come_the_same_way(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HubFile, "url", property(lambda file: server.url(file.file_name)))
    server.breaks = [300_000]
    file = HubFile(f"net-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth", len(CONTENT))
    assert download_hub_file(file, tmp_path, progress=False).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-"]
    with pytest.raises(UnmaskError, match=r"net-01234567\.pth failed: .*another SHA-256"):
        download_hub_file(HubFile("net-01234567.pth", len(CONTENT)), tmp_path, progress=False)


def test_names_in_the_cache() -> None:
    assert (
        is_url("https://a.b/c") and is_url("HTTP://a.b/c") and not is_url("net.pkl") and not is_url("file:///net.pkl")
    )
    assert cached_name("https://a.b/c/net.pkl?x=1").endswith("-net.pkl")
    assert cached_name("https://a.b/net.pkl") != cached_name("https://a.c/net.pkl")
    for odd in ("https://a.b", "https://a.b/..", "https://a.b/%2e%2e%2fetc%2fpasswd", "https://a.b/" + "x" * 500):
        name = cached_name(odd)
        assert Path(name).name == name and len(name) < 120 and ".." not in name


def test_the_bar_tells_how_much_there_is(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fetch(server.url(), tmp_path)
    assert "net.pkl" in capsys.readouterr().err


def test_a_generator_of_a_url(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNMASK_CACHE", str(tmp_path / "cache"))
    server.content = write_small_checkpoint(tmp_path / "net.safetensors", 16).read_bytes()
    server.breaks = [1000]
    config = StyleGAN2Config(checkpoint=server.url())
    assert StyleGAN2.build(config, 16).resolution == 16
    assert StyleGAN2.build(config, 8).resolution == 8
    assert server.asked == [None, "bytes=1000-"]
    server.content = b"something else"
    wrong = StyleGAN2Config(checkpoint=server.url("other.pkl"))
    with pytest.raises(UnmaskError, match=r"no checkpoint of StyleGAN2.*fetched from http.*remove it to have it"):
        StyleGAN2.build(wrong, 16)
