"""The page: what it shows, and what happens on a click."""

from __future__ import annotations

import html
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image

from unmask.errors import UnmaskError
from unmask.photos import METHODS, FoundFaces, UnmaskedPhoto, Unmasker
from unmask.web.drawing import LAYER, face_at, layer_of, map_of, preview, with_boxes
from unmask.web.work import Finished, watched

TITLE = "unmask"
GUESS = (
    "**What you get is a guess**, not what the person looks like. It is no evidence of anything. Mark the picture as "
    "generated wherever you show it, and use photos only of people who agree."
)
PRIVATE = "Photos stay on this machine and are deleted when you close the page."
NAMES = {
    "feed_forward": "Quick: one look, about a second a face",
    "stylegan_proj": "Careful: fitted to the face, some ten seconds",
    "tuned": "Most careful: generator tuned to the face, slow",
    "pix2pix": "Pix2Pix, for comparison",
}
"""What the methods are called on the page."""
MOST_ANSWERS = 8
QUEUE = 8
"""How many may wait; one is served at a time."""
FORGET_S = 1800
"""Seconds after which a photo that nobody works on is forgotten, and its files are deleted."""
CSS = """
.gradio-container { max-width: 1180px !important; margin: 0 auto; }
footer { display: none !important; }
#title h1 { margin-bottom: 0; }
#guess { border-left: 4px solid #f59e0b; padding: 2px 12px; }
"""


@dataclass(frozen=True)
class Session:
    """The photo that somebody works on.

    Attributes:
        found: its faces.
        shown: the photo as the browser has it.
        layer: the map that was found, as it came back from a layer of that size.
        chosen: numbers of the faces to unmask.
    """

    found: FoundFaces
    shown: Image.Image
    layer: np.ndarray
    chosen: tuple[int, ...]


@dataclass(frozen=True)
class Answer:
    """One finished answer.

    Attributes:
        shown: the photo before and after, as the browser has them.
        path: the whole photo.
    """

    shown: tuple[Image.Image, Image.Image]
    path: Path


def build_page(
    make: Callable[[str], Unmasker], examples: list[Path], folder: Path, *, methods: tuple[str, ...] = METHODS
) -> gr.Blocks:
    """The page.

    Args:
        make: from the name of a method to what unmasks photos; called once for each.
        examples: photos to try.
        folder: where what is uploaded and made lies, until nobody has the page open any more.
    """
    made: dict[str, Unmasker] = {}
    visitors: set[str] = set()

    def unmasker(method: str) -> Unmasker:
        if method not in made:
            made[method] = make(method)
        return made[method]

    def opened(path: str | None, method: str) -> tuple[Any, ...]:
        if path is None:
            return _nothing("")
        try:
            found = unmasker(method).find(path)
        except UnmaskError as error:
            return _nothing(_plain(error, path))
        shown = preview(found.photo)
        layer = layer_of(found.occlusion, shown.size)
        chosen = tuple(face.index for face in found.faces if face.skipped is None)
        session = Session(found, shown, map_of([layer], shown.size), chosen)
        return (
            session,
            {"background": shown, "layers": [layer], "composite": None},
            gr.update(visible=True),
            _boxes(session),
            _choices(session),
            _told(session),
            gr.update(interactive=bool(chosen)),
            *_no_result(),
        )

    def arrived(request: gr.Request) -> None:
        visitors.add(str(request.session_hash))

    def left(request: gr.Request) -> None:
        visitors.discard(str(request.session_hash))
        if not visitors:  # Gradio keeps copies of its own, which are nobody's any more
            empty(folder)

    def choose(session: Session | None, numbers: list[int]) -> tuple[Any, ...]:
        if session is None:
            return session, None, gr.update()
        session = replace(session, chosen=tuple(sorted(numbers)))
        return session, _boxes(session), gr.update(interactive=bool(numbers))

    def clicked(session: Session | None, event: gr.SelectData) -> tuple[Any, ...]:
        if session is None:
            return session, None, gr.update(), gr.update()
        scale = session.found.photo.width / session.shown.width
        x, y = event.index
        face = face_at(x * scale, y * scale, session.found.faces)
        if face is not None and face.skipped is None:
            session = replace(session, chosen=tuple(sorted({face.index} ^ set(session.chosen))))
        return session, _boxes(session), _choices(session), gr.update(interactive=bool(session.chosen))

    def unmask(session: Session | None, painted: Any, method: str, answers: int) -> Iterator[Any]:
        if session is None:
            raise gr.Error("Choose a photo first.", duration=None, print_exception=False)
        occlusion = _painted(session, painted)
        yield gr.update(interactive=False), gr.update(visible=True), _bar(0, "Starting"), *_no_result()
        work = watched(
            lambda tell: unmasker(method)(
                session.found.photo,
                answers=1 if method == "pix2pix" else int(answers),
                faces=session.chosen,
                occlusion=occlusion,
                on_progress=tell,
            )
        )
        try:
            for one in work:
                if isinstance(one, Finished):
                    yield *_idle(), *_shown(session, one.result, folder)
                else:
                    text = f"Face {one.face} of {one.faces}, answer {one.answer} of {one.answers}"
                    yield gr.skip(), gr.skip(), _bar(one.fraction, text), *[gr.skip()] * len(_no_result())
        except UnmaskError as error:
            yield *_idle(), *_no_result()
            raise gr.Error(str(error), duration=None, print_exception=False) from error
        finally:
            work.close()

    def picked(finished: tuple[Answer, ...], event: gr.SelectData) -> tuple[Any, ...]:
        answer = finished[event.index]
        return gr.update(value=answer.shown), gr.update(value=str(answer.path))

    def stopped() -> tuple[Any, ...]:
        return *_idle(), *_no_result()

    with gr.Blocks(title=TITLE, analytics_enabled=False, delete_cache=(FORGET_S, FORGET_S)) as page:
        session = gr.State(None, time_to_live=FORGET_S)
        finished = gr.State((), time_to_live=FORGET_S)
        gr.Markdown(f"# {TITLE}\nGenerates the part of a face that a face mask hides.", elem_id="title")
        gr.Markdown(f"{GUESS} {PRIVATE}", elem_id="guess")
        with gr.Row():
            with gr.Column(scale=5, min_width=320):
                photo = gr.Image(
                    label="Photo",
                    type="filepath",
                    buttons=[],
                    sources=["upload", "webcam", "clipboard"],
                    height=300,
                    elem_id="photo",
                )
                if examples:
                    gr.Examples([[str(path)] for path in examples], photo, label="Or try people who do not exist")
                note = gr.Markdown("", elem_id="note")
                with gr.Column(visible=False) as found_part:
                    gr.Markdown("The mask that was found is pink. Correct it with brush and eraser where it is wrong.")
                    painted = gr.ImageEditor(
                        label="Mask",
                        buttons=[],
                        type="pil",
                        format="png",
                        sources=(),
                        transforms=(),
                        height=460,
                        brush=gr.Brush(default_size=24, colors=[f"rgb{LAYER[:3]}"], color_mode="fixed"),
                        eraser=gr.Eraser(default_size=24),
                        layers=False,
                        elem_id="painted",
                    )
                    boxes = gr.Image(
                        label="Faces: click to choose", interactive=False, height=300, buttons=[], elem_id="boxes"
                    )
                    faces = gr.CheckboxGroup([], label="Faces to unmask", elem_id="faces")
            with gr.Column(scale=5, min_width=320):
                method = gr.Radio(
                    [(NAMES[name], name) for name in methods], value=methods[0], label="How", elem_id="method"
                )
                answers = gr.Slider(1, MOST_ANSWERS, 1, step=1, label="Different answers", elem_id="answers")
                with gr.Row():
                    start = gr.Button("Unmask", variant="primary", interactive=False, elem_id="start")
                    stop = gr.Button("Stop", variant="stop", visible=False, elem_id="stop")
                status = gr.HTML("", visible=False, elem_id="status")
                compared = gr.ImageSlider(
                    label="Before and after", height=460, buttons=["fullscreen"], elem_id="compared", visible=False
                )
                gallery = gr.Gallery(
                    label="Answers", columns=4, height=240, buttons=["fullscreen"], elem_id="gallery", visible=False
                )
                download = gr.DownloadButton("Download the whole photo (PNG)", elem_id="download", visible=False)

        result = [compared, gallery, download, finished]
        inputs = [session, painted, found_part, boxes, faces, note, start, *result]
        photo.change(opened, [photo, method], inputs, show_progress="minimal")
        faces.input(choose, [session, faces], [session, boxes, start], show_progress="hidden")
        boxes.select(clicked, session, [session, boxes, faces, start], show_progress="hidden")
        asked = [session, painted, method, answers]
        working = start.click(unmask, asked, [start, stop, status, *result], show_progress="hidden")
        gallery.select(picked, finished, [compared, download], show_progress="hidden")
        stop.click(stopped, None, [start, stop, status, *result], cancels=[working], queue=False)
        page.load(arrived, None, None, queue=False)
        page.unload(left)
    page.queue(max_size=QUEUE, default_concurrency_limit=1)
    return page


def empty(folder: Path) -> None:
    """Delete everything in a folder."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _nothing(note: str) -> tuple[Any, ...]:
    """Outputs of `opened` where there is no photo to work on."""
    nobody = gr.update(choices=[], value=[])
    return None, None, gr.update(visible=False), None, nobody, note, gr.update(interactive=False), *_no_result()


def _idle() -> tuple[Any, ...]:
    """Start, stop and progress, while nothing is done."""
    return gr.update(interactive=True), gr.update(visible=False), gr.update(value="", visible=False)


def _no_result() -> tuple[Any, ...]:
    """Slider, gallery, download and answers, while there are none."""
    return gr.update(value=None, visible=False), gr.update(value=None, visible=False), gr.update(visible=False), ()


def _shown(session: Session, result: UnmaskedPhoto, folder: Path) -> tuple[Any, ...]:
    """Slider, gallery, download and answers of a finished photo."""
    place = Path(tempfile.mkdtemp(dir=folder))
    answers = []
    for number, one in enumerate(result.answers):
        path = place / ("unmasked.png" if number == 0 else f"unmasked_answer{number + 1}.png")
        result.save(path, number)
        answers.append(Answer((session.shown, preview(one)), path))
    gallery = [(answer.shown[1], f"answer {number}") for number, answer in enumerate(answers, 1)]
    return (
        gr.update(value=answers[0].shown, visible=True),
        gr.update(value=gallery, visible=len(answers) > 1, selected_index=None),
        gr.update(value=str(answers[0].path), visible=True),
        tuple(answers),
    )


def _painted(session: Session, painted: Any) -> np.ndarray | None:
    """The map at the photo's size where somebody has changed what was found; None where nobody has."""
    layers = [] if painted is None else [layer for layer in painted["layers"] if layer is not None]
    small = map_of(layers, session.shown.size)
    if (small == session.layer).mean() > 0.9995:
        return None
    return map_of(layers, session.found.photo.size)


def _boxes(session: Session) -> Any:
    picture = with_boxes(session.shown, session.found.photo.size, session.found.faces, session.chosen)
    return gr.update(value=picture, visible=len(session.found.faces) > 1)


def _bar(fraction: float, text: str) -> Any:
    """A progress bar."""
    bar = f'<progress value="{fraction:.3f}" max="1" style="width: 100%; accent-color: #14b8a6"></progress>'
    return gr.update(value=f"{bar}<div>{html.escape(text)}</div>", visible=True)


def _choices(session: Session) -> Any:
    choices = [(f"{face.index + 1}", face.index) for face in session.found.faces if face.skipped is None]
    return gr.update(choices=choices, value=list(session.chosen), visible=len(choices) > 1)


def _told(session: Session) -> str:
    """What there is to say about the faces."""
    faces = session.found.faces
    if not faces:
        return "No face was found in this photo."
    lines = [f"Face {face.index + 1} is left alone. {face.skipped}" for face in faces if face.skipped]
    lines += [f"Look at face {face.index + 1}: {warning}" for face in faces for warning in face.warnings]
    return "\n\n".join(lines)


def _plain(error: UnmaskError, path: str) -> str:
    """The message without the path of the copy on the server."""
    return f"This photo cannot be used. {str(error).replace(path, Path(path).name)}"
