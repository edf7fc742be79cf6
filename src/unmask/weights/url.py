"""Downloads from URLs that go on where they were interrupted and appear all at once.

Beside the file lie, while it is fetched, `NAME.part` and `NAME.part.json`: what arrived so far, and of which version of
the server's file it is. RFC 9110, sections 13.1.5 (If-Range) and 14.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import logging
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import asdict, dataclass
from email.message import Message
from pathlib import Path
from typing import Any, final

from filelock import FileLock
from tqdm import tqdm

from unmask.errors import UnmaskError
from unmask.files import write_json

log = logging.getLogger(__name__)

ATTEMPTS = 5
"""After so many in a row that brought nothing it is given up."""
PAUSE_SECONDS = 1.0
"""Between attempts; it grows with every one that brought nothing."""
TIMEOUT_SECONDS = 30.0
BLOCK_BYTES = 1 << 18
WORTH_RETRYING = frozenset({408, 425, 429, 500, 502, 503, 504})
RANGE_NOT_SATISFIABLE = 416
PARTIAL_CONTENT = 206


def is_url(text: str) -> bool:
    """Whether it is one that `fetch` takes."""
    return text.lower().startswith(("http://", "https://"))


def cached_name(url: str) -> str:
    """The name of a URL's file in a cache: its own, and something that tells it from others of that name."""
    own = Path(urllib.parse.unquote(urllib.parse.urlsplit(url).path)).name
    own = re.sub(r"[^A-Za-z0-9._-]", "_", own)[-80:].lstrip(".") or "file"
    return f"{hashlib.sha256(url.encode()).hexdigest()[:10]}-{own}"


def fetch(url: str, folder: Path, *, progress: bool = True) -> Path:
    """The file of a URL in `folder`, downloaded if it is not there yet.

    Processes that do this at once take turns, and the later find the work done. What an interrupted download left is
    gone on with, if the server can and its file is still the same.

    Raises:
        UnmaskError: it cannot be had, or not be written; the message says why, and what arrived is kept.
    """
    path = folder / cached_name(url)
    if path.is_file():
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f"{path.name}.lock")):
            if not path.is_file():
                _Download(url, path, progress).run()
    except OSError as error:
        raise UnmaskError(
            f"{url} cannot be written to {folder} ({error.strerror or error}). Make room, or set UNMASK_CACHE to "
            "another folder; what arrived so far is kept."
        ) from error
    return path


@final
@dataclass(frozen=True)
class _Version:
    """Which version of the server's file the part is of: a strong ETag or a date, and its length in bytes."""

    validator: str | None
    size: int | None


class _Interrupted(Exception):
    """The connection failed; worth another attempt."""


class _Unreachable(_Interrupted):
    """There was no connection; worth another attempt if there was one before."""


@final
class _Download:
    """One file on its way."""

    def __init__(self, url: str, path: Path, progress: bool) -> None:
        self.url, self.path, self.progress = url, path, progress
        self.connected = False
        self.part = path.with_name(f"{path.name}.part")
        self.note = path.with_name(f"{path.name}.part.json")

    def run(self) -> None:
        """Fetch it, in as many attempts as get on."""
        failures = 0
        while True:
            before = self._arrived()
            try:
                size = self._attempt()
            except _Interrupted as interruption:
                failures = 0 if self._arrived() > before else failures + 1
                log.debug("%s: %s", self.url, interruption)
                if failures >= ATTEMPTS or (isinstance(interruption, _Unreachable) and not self.connected):
                    raise UnmaskError(self._told(interruption)) from interruption
                time.sleep(PAUSE_SECONDS * max(1, failures))
                continue
            break
        log.info("%s (%.1f MB) fetched from %s.", self.path, size / 1e6, self.url)
        self.part.replace(self.path)
        self.note.unlink(missing_ok=True)

    def _told(self, interruption: _Interrupted) -> str:
        kept = f"{self._arrived() / 1e6:.1f} MB are kept in {self.part}" if self._arrived() else "Nothing arrived"
        return (
            f"{self.url} could not be fetched ({interruption}). {kept}. Look at the network (HTTPS_PROXY is honoured) "
            "and run the same command again, or fetch the file by other means and give its path."
        )

    def _attempt(self) -> int:
        """One request, from what has arrived on; returns the length of the whole file."""
        version, start = self._resumable()
        headers = {"Accept-Encoding": "identity", "User-Agent": "unmask"}
        if start:
            assert version.validator is not None
            headers |= {"Range": f"bytes={start}-", "If-Range": version.validator}
        try:
            with urllib.request.urlopen(
                urllib.request.Request(self.url, headers=headers), timeout=TIMEOUT_SECONDS
            ) as response:
                self.connected = True
                if response.status == PARTIAL_CONTENT:
                    self._check_range(response, version, start)
                else:
                    version, start = self._begin(response), 0
                self._receive(response, start, version.size)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == RANGE_NOT_SATISFIABLE and start:
                self._forget()
                raise _Interrupted("the server's file has become shorter") from error
            if error.code in WORTH_RETRYING:
                raise _Interrupted(f"HTTP {error.code} {error.reason}") from error
            raise UnmaskError(
                f"{self.url}: the server answers {error.code} {error.reason}. Check that the address is right and "
                "the file is public."
            ) from error
        except urllib.error.URLError as error:
            raise _Unreachable(str(error.reason)) from error
        except (http.client.InvalidURL, UnicodeError) as error:
            raise UnmaskError(f"{self.url}: not an address that can be fetched ({error}).") from error
        except (http.client.HTTPException, ConnectionError, TimeoutError) as error:
            raise _Interrupted(str(error) or type(error).__name__) from error
        arrived = self._arrived()
        if version.size is not None and arrived != version.size:
            if arrived > version.size:
                self._forget()
            raise _Interrupted(f"the connection broke off after {arrived} of {version.size} bytes")
        return arrived

    def _resumable(self) -> tuple[_Version, int]:
        """What has arrived of which version; nothing if it could not be told from a newer one."""
        try:
            told = json.loads(self.note.read_text(encoding="utf-8"))
            version = _Version(**told)
            start = self._arrived()
        except (OSError, ValueError, TypeError):
            return _Version(None, None), 0
        usable = isinstance(version.validator, str) and type(version.size) in (int, type(None))
        if not usable or (version.size is not None and start >= version.size):
            return _Version(None, None), 0
        return version, start

    def _arrived(self) -> int:
        try:
            return self.part.stat().st_size
        except FileNotFoundError:
            return 0

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def _check_range(self, response: http.client.HTTPResponse, version: _Version, start: int) -> None:
        """That the answer goes on exactly where the part ends, in a file of the same length."""
        told = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        same = told and int(told[1]) == start and (version.size is None or told[2] in ("*", str(version.size)))
        if not same or _validator(response.headers) not in (None, version.validator):
            self._forget()
            raise _Interrupted("the server goes on with something else than asked")

    def _begin(self, response: http.client.HTTPResponse) -> _Version:
        """Start anew with an answer that is the whole file."""
        headers = response.headers
        if headers.get_content_type() == "text/html":
            raise UnmaskError(
                f"{self.url}: a web page, not a file. Open it in a browser, fetch the file by hand and give its path."
            )
        if headers.get("Content-Encoding", "identity") != "identity":
            raise UnmaskError(f"{self.url}: the server sends it compressed, though asked not to. Fetch it by hand.")
        length = headers.get("Content-Length", "")
        version = _Version(_validator(headers), int(length) if length.isdecimal() else None)
        self._forget()
        write_json(self.note, asdict(version))
        return version

    def _receive(self, response: http.client.HTTPResponse, start: int, size: int | None) -> None:
        """Append what is sent; OSErrors are the disk's, `_Interrupted` the network's."""
        bar = tqdm(
            initial=start, total=size, desc=self.path.name, unit="B", unit_scale=True, mininterval=0.5,
            disable=not self.progress,
        )  # fmt: skip
        with bar, self.part.open("ab") as file:
            while block := _read(response):
                file.write(block)
                bar.update(len(block))


def _read(response: http.client.HTTPResponse) -> Any:
    try:
        return response.read(BLOCK_BYTES)
    except http.client.IncompleteRead as error:
        raise _Interrupted("the connection broke off") from error
    except OSError as error:
        raise _Interrupted(str(error)) from error


def _validator(headers: Message) -> str | None:
    """What tells this version of a file from others: a strong ETag, else the date."""
    etag = headers.get("ETag")
    strong = etag is not None and not etag.startswith("W/")
    return etag if strong else headers.get("Last-Modified")
