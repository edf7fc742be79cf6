"""Serving the page to this machine, and to it alone."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from unmask.photos import Unmasker
from unmask.web.examples import example_photos

POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; connect-src 'self' data: blob:; object-src 'none'; "
    "frame-ancestors 'self'; form-action 'self'"
)
"""Content security policy: the browser asks no other host for anything, whatever a library puts into the page."""


def serve(make: Callable[[str], Unmasker], *, host: str, port: int | None, most_mb: float, open_browser: bool) -> None:
    """Serve the page until it is interrupted; what was uploaded and made is deleted then, and before.

    Args:
        make: see `unmask.web.page.build_page`.
        port: None takes the first that is free from 7860 on.
        most_mb: of an upload.
    Raises:
        OSError: the port is taken.
    """
    with tempfile.TemporaryDirectory(prefix="unmask-web-") as temporary:
        page, _ = start(make, Path(temporary), host=host, port=port, most_mb=most_mb, open_browser=open_browser)
        page.block_thread()


def start(
    make: Callable[[str], Unmasker],
    folder: Path,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    most_mb: float = 50.0,
    open_browser: bool = False,
) -> tuple[Any, str]:
    """Serve the page from a thread; returns it and its address. `folder` holds all that is uploaded and made."""
    uploads = folder / "uploads"
    uploads.mkdir(exist_ok=True)
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # before gradio is imported: nothing is sent anywhere
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["GRADIO_TEMP_DIR"] = str(uploads)
    import gradio as gr
    from starlette.middleware import Middleware

    from unmask.web.page import CSS, build_page

    system = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")
    theme = gr.themes.Soft(primary_hue="teal", font=system, font_mono=("ui-monospace", "Consolas", "monospace"))
    page = build_page(make, example_photos(folder), uploads)
    _, address, _ = page.launch(
        server_name=host,
        server_port=port,
        share=False,
        inbrowser=open_browser,
        quiet=True,
        prevent_thread_lock=True,
        ssr_mode=False,
        max_file_size=round(most_mb * 1_000_000),
        allowed_paths=[str(folder)],
        footer_links=[],
        run_history=False,
        theme=theme,
        css=CSS,
        app_kwargs={"middleware": [Middleware(_Policy)]},
    )
    return page, address


class _Policy:
    """Adds `POLICY` to every answer (an ASGI middleware)."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def with_policy(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    (b"content-security-policy", POLICY.encode()),
                    (b"referrer-policy", b"no-referrer"),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        await self.app(scope, receive, with_policy if scope["type"] == "http" else send)
