"""Photos in, photos out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

import numpy as np
import torch
from PIL import Image

from unmask.alignment import Placement, Quad, crop, find_faces, frame_of, paste, region_in, render_for, unsuitable
from unmask.building import build_method, pick_device
from unmask.config import RunConfig
from unmask.data.references import Known, reference_in
from unmask.data.strangers import strangers
from unmask.errors import UnmaskError
from unmask.faceanalysis import Detection
from unmask.faces import Faces, Reconstruction, StepCallback, StepReport
from unmask.images import dilate, from_uint8, to_uint8
from unmask.methods.base import Method
from unmask.occlusion import build as build_finder
from unmask.occlusion import grown
from unmask.photos.photo import Photo, read
from unmask.photos.results import FaceResult, FoundFace, FoundFaces, UnmaskedPhoto
from unmask.photos.settings import FRAME, settings_of
from unmask.shared import Shared

NO_MASK = "It wears no face mask."
NOT_ASKED = "It was not asked for."
NOT_PAINTED = "The map that was given hides nothing of it."
NO_FACES = "No face was found in the photo."
LEAST_PAINTED = 0.003
"""Share of the frame below which a map hides nothing of a face."""
Source = str | Path | Image.Image | np.ndarray


@dataclass(frozen=True)
class Progress:
    """How far a photo is.

    Attributes:
        face, faces: the number of the face that is worked on, from 1, and of those to be unmasked.
        answer, answers: the same of its answers.
        fraction: of the whole photo that is done, 0 to 1.
    """

    face: int
    faces: int
    answer: int
    answers: int
    fraction: float


@final
class Unmasker:
    """Generates what face masks hide in photos: any number of faces, of any size, anywhere in the photo.

    Example:
        >>> from unmask import Unmasker
        >>> unmasker = Unmasker(method="feed_forward")
        >>> result = unmasker("data/sample/cmfd/00000/synthetic-00000_Mask.jpg")
        >>> [face.found.skipped for face in result.faces]
        [None]
        >>> result.image.size
        (256, 256)

    Networks are loaded at the first call, and once. What is generated is a guess, and must be marked as such.
    """

    def __init__(
        self, method: str = "feed_forward", device: str = "auto", overrides: Sequence[str] = (), *, seed: int = 0
    ) -> None:
        """
        Args:
            method: feed_forward (an encoder alone, the quickest), stylegan_proj (projection), tuned (projection and
                pivotal tuning, the slowest), or pix2pix.
            device: auto, cpu, cuda, cuda:1, mps.
            overrides: options of the method, of occlusion and generator, as after `python -m unmask.run`, such as
                ``method.w_steps=30``.
            seed: every random choice derives from it and from the face's number.
        Raises:
            UnmaskError: no such method or option.
        """
        self.method = method
        self.overrides = (f"seed={seed}", f"device={device}", *overrides)
        self._shared = Shared()
        settings_of(method, 1, self.overrides)

    def find(self, image: Source) -> FoundFaces:
        """The faces of a photo and their face masks; nothing is generated.

        Args:
            image: a file, a picture of Pillow's, or an array (H,W,3) of uint8, RGB.
        Raises:
            UnmaskError: the photo cannot be read, or weights cannot be fetched.
        """
        photo = read(image)
        settings = settings_of(self.method, 1, self.overrides)
        framed = _frame_all(photo, settings, given=None)
        occlusion = np.zeros(photo.pixels.shape[:2], bool)
        for one in framed:
            if one.faces is not None:
                _mark(occlusion, one)
        return FoundFaces(Image.fromarray(photo.pixels), tuple(one.found for one in framed), occlusion)

    def __call__(
        self,
        image: Source,
        *,
        answers: int = 1,
        faces: Sequence[int] | None = None,
        occlusion: np.ndarray | Image.Image | str | Path | None = None,
        references: Sequence[Source] = (),
        on_progress: Callable[[Progress], None] | None = None,
    ) -> UnmaskedPhoto:
        """Unmask the faces of a photo.

        Args:
            image: a file, a picture of Pillow's, or an array (H,W,3) of uint8, RGB.
            answers: how many different answers to each face; each of them takes as long as the first.
            faces: the numbers of the faces to unmask, as in `find`; None: all that wear a face mask.
            occlusion: where face masks are, painted by hand, as large as the upright photo: a map (H,W), marked where
                it is not 0, a picture of Pillow's, or a file. None: the project's network looks for them.
            references: other photographs of the person, without a mask, of any size and pose; then a single face is
                unmasked.
            on_progress: called after every step; what it raises ends the call and passes through.
        Raises:
            UnmaskError: the photo, the map or a reference cannot be read, there is no face of that number, the method
                gives one answer only or takes no references, there are references and several faces to unmask, or
                weights cannot be fetched.
        """
        photo = read(image)
        settings = settings_of(self.method, answers, self.overrides)
        if references and not settings.method.takes_references:
            raise UnmaskError(f"{self.method} makes no use of other photographs of the person; take another method.")
        given = None if occlusion is None else _map(occlusion, photo)
        framed = _frame_all(photo, settings, given)
        warnings = list(photo.notes) if framed else [*photo.notes, NO_FACES]
        if faces is not None:
            unknown = sorted(set(faces) - {one.found.index for one in framed})
            if unknown:
                raise UnmaskError(f"There is no face {unknown[0]} in the photo; it has {len(framed)}, counted from 0.")
            framed = [one if one.found.index in faces else _left_alone(one, NOT_ASKED) for one in framed]
        if references:
            framed = _acquainted(framed, references)
        to_do = [one for one in framed if one.faces is not None]
        pictures = [photo.pixels.copy() for _ in range(answers)]
        filled = np.zeros(photo.pixels.shape[:2], bool)
        results: list[FaceResult] = []
        for one in framed:
            if one.faces is None:
                results.append(FaceResult(one.found, one.seconds))
                continue
            place = to_do.index(one)
            hook = None if on_progress is None else _progress(on_progress, place, len(to_do), answers)
            result = self._unmask(one, one.faces, photo, settings, pictures, filled, hook)
            results.append(result)
            if on_progress is not None:
                on_progress(Progress(place + 1, len(to_do), answers, answers, (place + 1) / len(to_do)))
        return UnmaskedPhoto(
            tuple(Image.fromarray(one) for one in pictures), tuple(results), filled, tuple(warnings), photo
        )

    def _unmask(
        self,
        one: _Framed,
        faces: Faces,
        photo: Photo,
        settings: RunConfig,
        pictures: list[np.ndarray],
        filled: np.ndarray,
        on_step: StepCallback | None,
    ) -> FaceResult:
        """Generate one face's answers and paste each into its copy of the photo."""
        started = time.perf_counter()
        made = self._build(settings).unmask(faces, on_step=on_step)
        if made.failures:
            found = replace(one.found, skipped=made.failures[0].reason)
            return FaceResult(found, one.seconds + time.perf_counter() - started)
        raws, fulls = _answers(made)
        for picture, raw, full in zip(pictures, raws, fulls, strict=True):
            seed = settings.seed * 1000 + one.found.index
            render = render_for(one.quad, raw, full)
            pasted = paste(photo.pixels, one.quad, render, faces.filled[0], settings.occlusion, seed=seed)
            pasted.onto(picture)
            pasted.mark(filled)
        seconds = one.seconds + time.perf_counter() - started
        return FaceResult(
            one.found,
            seconds,
            to_uint8(faces.masked[0]),
            faces.filled[0, 0].numpy() > 0.5,
            tuple(to_uint8(raw) for raw in raws),
        )

    def _build(self, settings: RunConfig) -> Method:
        device = pick_device(settings.device)
        recipe = (repr(settings), device)
        return self._shared.get("method", recipe, lambda: build_method(settings, device, shared=self._shared))


@dataclass(frozen=True, eq=False)
class _Framed:
    """A face in its frame.

    Attributes:
        faces: as a batch of one; None where it is left alone.
        seconds: that finding its frame and its face mask took.
    """

    found: FoundFace
    quad: Quad
    faces: Faces | None
    seconds: float


def _frame_all(photo: Photo, settings: RunConfig, given: np.ndarray | None) -> list[_Framed]:
    """All faces of the photo, left to right."""
    detections = sorted(find_faces(photo.pixels), key=lambda face: float(face.box[0] + face.box[2]))
    return [_frame(index, one, photo, settings, given) for index, one in enumerate(detections)]


def _frame(index: int, detection: Detection, photo: Photo, settings: RunConfig, given: np.ndarray | None) -> _Framed:
    """One face: where its frame is, and where its face mask is in it.

    `given`: (H,W) bool of the photo, where the user says that face masks are.
    """
    started = time.perf_counter()
    quad = frame_of(photo.pixels, detection)

    def framed(skipped: str | None, warnings: tuple[str, ...] = (), faces: Faces | None = None) -> _Framed:
        box = tuple(float(edge) for edge in detection.box)
        found = FoundFace(index, (box[0], box[1], box[2], box[3]), detection.score, quad.corners, skipped, warnings)
        return _Framed(found, quad, faces, time.perf_counter() - started)

    reason = unsuitable(detection, quad, photo.pixels.shape[0], photo.pixels.shape[1])
    if reason is not None:
        return framed(reason)
    masked = from_uint8(crop(photo.pixels, quad, FRAME))
    name = str(index)
    if given is not None:
        share = crop(given.astype(np.float32), quad, FRAME)
        occlusion = torch.from_numpy((share >= 0.5).astype(np.float32))[None]
        if occlusion.mean() < LEAST_PAINTED:
            return framed(NOT_PAINTED)
        warnings: tuple[str, ...] = ()
    else:
        placement = Placement(quad, photo.pixels.shape[0], photo.pixels.shape[1])
        found = build_finder(settings.occlusion, {}).find(name, masked, None, placement)
        occlusion = found.occlusion
        if not bool(occlusion.any()):
            return framed(NO_MASK)
        warnings = () if found.doubt is None else (found.doubt,)
    more = grown(masked, occlusion)[None] if settings.occlusion.grow and given is None else None
    filled = occlusion[None] if more is None else more
    hole = dilate(filled, settings.occlusion.dilate)
    return framed(None, warnings, Faces((name,), masked[None], occlusion[None], hole, grown=more))


def _acquainted(framed: list[_Framed], references: Sequence[Source]) -> list[_Framed]:
    """The same with other photographs of the one face that is unmasked."""
    masked = [one for one in framed if one.faces is not None]
    if not masked:
        return framed
    if len(masked) > 1:
        numbers = ", ".join(str(one.found.index) for one in masked)
        raise UnmaskError(f"References are of one person, and faces {numbers} wear face masks: name one of them.")
    (one,) = masked
    assert one.faces is not None
    known = Known.together([_reference(source, number) for number, source in enumerate(references, 1)], FRAME)
    notes = (*known.notes, *strangers(known, one.faces.masked, one.faces.visible))
    found = replace(one.found, warnings=(*one.found.warnings, *notes))
    informed = replace(one, found=found, faces=replace(one.faces, references=(known.pictures,)))
    return [informed if each is one else each for each in framed]


def _reference(source: Source, number: int) -> Known:
    name = str(source) if isinstance(source, (str, Path)) else f"reference {number}"
    return reference_in(read(source).pixels, name, FRAME)


def _left_alone(one: _Framed, reason: str) -> _Framed:
    return _Framed(replace(one.found, skipped=one.found.skipped or reason), one.quad, None, one.seconds)


def _mark(occlusion: np.ndarray, one: _Framed) -> None:
    """Mark the face mask of one face in a map (H,W) of the photo."""
    assert one.faces is not None
    region = region_in(occlusion.shape[0], occlusion.shape[1], one.quad, one.faces.filled[0], 0.0)
    if region is not None:
        region.mark(occlusion)


def _answers(made: Reconstruction) -> tuple[list[torch.Tensor], list[torch.Tensor | None]]:
    """Each answer's raw (3,H,W) and, where there is one, full render (3,R,R)."""
    raws = made.raw if made.samples is None else made.samples[0]
    if made.full is None:
        return list(raws.cpu()), [None] * len(raws)
    fulls = made.full if made.full_samples is None else made.full_samples[0]
    return list(raws.cpu()), list(fulls.cpu())


def _map(occlusion: np.ndarray | Image.Image | str | Path, photo: Photo) -> np.ndarray:
    """(H,W) bool."""
    height, width = photo.pixels.shape[:2]
    if isinstance(occlusion, (str, Path)):
        marked = read(occlusion).pixels.max(2) > 127
    else:
        marked = np.asarray(occlusion)
        marked = marked.max(2) > 0 if marked.ndim == 3 else marked > 0
    if marked.shape != (height, width):
        raise UnmaskError(
            f"The map of face masks is {marked.shape[1]}x{marked.shape[0]} and the photo {width}x{height}; "
            "paint it on the photo itself."
        )
    if not marked.any():
        raise UnmaskError("Nothing is painted in the map of face masks.")
    return marked


def _progress(tell: Callable[[Progress], None], face: int, faces: int, answers: int) -> StepCallback:
    def on_step(report: StepReport) -> None:
        of_answer = report.taken / max(report.total, 1)
        done = face + (report.answer + of_answer) / answers
        tell(Progress(face + 1, faces, report.answer + 1, answers, min(done / faces, 1.0)))

    return on_step
