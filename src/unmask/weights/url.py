"""Downloads from URLs that go on where they were interrupted and appear all at once.

Beside the file lie, while it is fetched, `NAME.part` and `NAME.part.json`: what arrived so far, and of which version of
the server's file it is. RFC 9110, sections 13.1.5 (If-Range) and 14.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import ssl
import time
import urllib.parse
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import final

import httpx
from filelock import FileLock

from unmask.errors import UnmaskError
from unmask.files import write_json
from unmask.terminal import download_bar

log = logging.getLogger(__name__)

ATTEMPTS = 5
"""After so many in a row that brought nothing it is given up."""
PAUSE_SECONDS = 1.0
"""Between attempts; it grows with every one that brought nothing."""
TIMEOUT_SECONDS = 30.0
WORTH_RETRYING = frozenset({408, 425, 429, 500, 502, 503, 504})
UNREACHABLE = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)
"""There was no connection: worth another attempt only if there was one before."""


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

    Processes that do this at once take turns, and the later find the work done.

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
                download(url, path, progress=progress)
    except OSError as error:
        raise UnmaskError(
            f"{url} cannot be written to {folder} ({error.strerror or error}). Make room, or set UNMASK_CACHE to "
            "another folder; what arrived so far is kept."
        ) from error
    return path


def download(url: str, path: Path, *, progress: bool = True) -> None:
    """Write the file of a URL to `path`, in as many attempts as get on.

    What an interrupted download left is gone on with, if the server can and its file is still the same.

    Raises:
        UnmaskError: it cannot be had; the message says why, and what arrived is kept.
        OSError: it cannot be written; what arrived is kept.
    """
    part = _Part(path.with_name(f"{path.name}.part"), path.with_name(f"{path.name}.part.json"))
    failures, connected = 0, False
    headers = {"Accept-Encoding": "identity", "User-Agent": "unmask"}
    system = ssl.create_default_context()  # knows what this machine trusts, which httpx by itself does not
    with httpx.Client(headers=headers, timeout=TIMEOUT_SECONDS, follow_redirects=True, verify=system) as client:
        while True:
            before = part.arrived()
            try:
                _attempt(client, url, part, progress)
                break
            except (httpx.InvalidURL, httpx.UnsupportedProtocol, UnicodeError) as error:
                raise UnmaskError(f"{url}: not an address that can be fetched ({error}).") from error
            except httpx.HTTPError as error:
                lost = isinstance(error, UNREACHABLE)
                connected = connected or not lost
                failures = 0 if part.arrived() > before else failures + 1
                log.debug("%s: %s", url, error)
                if failures >= ATTEMPTS or (lost and not connected):
                    raise UnmaskError(_told(url, part, error)) from error
                time.sleep(PAUSE_SECONDS * max(1, failures))
    log.info("%s (%.1f MB) fetched from %s.", path, part.arrived() / 1e6, url)
    part.path.replace(path)
    part.note.unlink(missing_ok=True)


@final
@dataclass(frozen=True)
class _Version:
    """Which version of the server's file the part is of: a strong ETag or a date, and its length in bytes."""

    validator: str | None
    size: int | None


@final
@dataclass(frozen=True)
class _Part:
    """What arrived, in `path`, and its `_Version`, in `note`."""

    path: Path
    note: Path

    def arrived(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def resumable(self) -> tuple[_Version, int]:
        """What has arrived of which version; nothing if it could not be told from a newer one."""
        nothing = (_Version(None, None), 0)
        try:
            version, start = _Version(**json.loads(self.note.read_text(encoding="utf-8"))), self.arrived()
        except (OSError, ValueError, TypeError):
            return nothing
        usable = isinstance(version.validator, str) and type(version.size) in (int, type(None))
        return nothing if not usable or (version.size is not None and start >= version.size) else (version, start)


def _attempt(client: httpx.Client, url: str, part: _Part, progress: bool) -> None:
    """One request, from what has arrived on.

    Raises:
        httpx.HTTPError: worth another attempt.
    """
    version, start = part.resumable()
    headers = {"Range": f"bytes={start}-", "If-Range": str(version.validator)} if start else {}
    with client.stream("GET", url, headers=headers) as response:
        _check_status(response, url, part, start)
        if response.status_code == httpx.codes.PARTIAL_CONTENT:
            _check_range(response, part, version, start)
        else:
            version = _begin(response, url, part)
        try:
            _receive(response, part, version.size, progress)
            broken = None
        except httpx.TransportError as error:
            broken = error
    arrived = part.arrived()
    if broken is not None or version.size not in (None, arrived):
        if version.size is not None and arrived > version.size:
            part.forget()
        raise httpx.ReadError(f"the connection broke off after {arrived} of {version.size or '?'} bytes") from broken


def _check_status(response: httpx.Response, url: str, part: _Part, start: int) -> None:
    """That there is something to receive."""
    if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and start:
        part.forget()
        raise httpx.RemoteProtocolError("the server's file has become shorter")
    words = f"{response.status_code} {response.reason_phrase}"
    if response.status_code in WORTH_RETRYING:
        raise httpx.RemoteProtocolError(f"HTTP {words}")
    if not response.is_success:
        raise UnmaskError(f"{url}: the server answers {words}. Check that the address is right and the file is public.")


def _check_range(response: httpx.Response, part: _Part, version: _Version, start: int) -> None:
    """That the answer goes on exactly where the part ends, in a file of the same length."""
    told = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    same = told and int(told[1]) == start and (version.size is None or told[2] in ("*", str(version.size)))
    if not same or _validator(response.headers) not in (None, version.validator):
        part.forget()
        raise httpx.RemoteProtocolError("the server goes on with something else than asked")


def _begin(response: httpx.Response, url: str, part: _Part) -> _Version:
    """Start anew with an answer that is the whole file."""
    headers = response.headers
    if headers.get("Content-Type", "").partition(";")[0].strip().lower() == "text/html":
        raise UnmaskError(f"{url}: a web page, not a file. Fetch the file in a browser and give its path.")
    if headers.get("Content-Encoding", "identity") != "identity":
        raise UnmaskError(f"{url}: the server sends it compressed, though asked not to. Fetch it by hand.")
    length = headers.get("Content-Length", "")
    version = _Version(_validator(headers), int(length) if length.isdecimal() else None)
    part.forget()
    write_json(part.note, asdict(version))
    return version


def _receive(response: httpx.Response, part: _Part, size: int | None, progress: bool) -> None:
    """Append what is sent."""
    with download_bar(shown=progress) as bar, part.path.open("ab") as file:
        task = bar.add_task(part.path.stem, total=size, completed=part.arrived())
        for block in response.iter_raw():
            file.write(block)
            bar.advance(task, len(block))


def _validator(headers: httpx.Headers) -> str | None:
    """What tells this version of a file from others: a strong ETag, else the date."""
    etag = headers.get("ETag")
    return etag if etag is not None and not etag.startswith("W/") else headers.get("Last-Modified")


def _told(url: str, part: _Part, error: httpx.HTTPError) -> str:
    kept = f"{part.arrived() / 1e6:.1f} MB are kept in {part.path}" if part.arrived() else "Nothing arrived"
    return (
        f"{url} could not be fetched ({str(error) or type(error).__name__}). {kept}. Look at the network "
        "(HTTPS_PROXY is honoured) and run the same command again, or fetch the file by other means and give its path."
    )
