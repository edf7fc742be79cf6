"""Making and measuring in memory, without a run directory; and originals of made-up batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from unmask.config import OcclusionConfig
from unmask.evaluation.measure import Originals
from unmask.evaluation.metrics import FaceMetrics, measure
from unmask.evaluation.samples import measure_samples
from unmask.evaluation.truth import Truth
from unmask.faces import Faces, Original, Reconstruction
from unmask.making.join import join_answers
from unmask.results.catalogue import ONE_ANSWER, SAMPLE_NAMES, Measurement


@dataclass(frozen=True)
class Finished:
    """Composites of one picture's answers, and everything measured on them."""

    composite: Tensor
    measurements: Mapping[str, Measurement]
    samples: Tensor | None


def finish(made: Reconstruction, one: Faces, occlusion: OcclusionConfig, faces: FaceMetrics) -> Finished:
    """Batches of one."""
    joined = join_answers(made, one, occlusion)
    truth = Truth.of(one.masked[0], None if one.clean is None else one.clean[0])
    hidden = one.occlusion[0]
    numbers = measure(
        raw=made.raw[0], composite=joined.composite, occlusion=hidden, truth=truth, faces=faces, filled=one.filled[0]
    )
    if joined.samples is None or made.samples is None:
        return Finished(joined.composite, numbers | dict.fromkeys(SAMPLE_NAMES, Measurement(None, ONE_ANSWER)), None)
    numbers |= measure_samples(
        raws=made.samples[0], composites=joined.samples, occlusion=hidden, truth=truth, first=numbers
    )
    return Finished(joined.composite, numbers, joined.samples)


def originals_of(batches: Callable[[Sequence[str]], Iterable[Faces]]) -> Originals:
    """The inputs of these batches, one by one."""

    def originals(ids: Sequence[str]) -> Iterator[Original]:
        for faces in batches(ids):
            for index, id in enumerate(faces.ids):
                yield Original(id, faces.masked[index], None if faces.clean is None else faces.clean[index])

    return originals
