"""The compiled step of a projection: numbers of the recipe are data to it, so a sweep compiles once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch

from helpers.linear_generator import LinearGenerator
from helpers.random_vgg import random_vgg
from unmask import compilation
from unmask.config import Init, StyleGANProjConfig
from unmask.faces import Faces
from unmask.methods.stylegan_proj import StyleGANProjection
from unmask.networks.vgg import VGG16Features
from unmask.projection.objective import Weights
from unmask.shared import Shared

CPU = torch.device("cpu")
BASE = StyleGANProjConfig(
    name="stylegan_proj",
    init=Init.mean,
    perceptual_layers=["relu1_2"],
    perceptual_resolution=16,
    perceptual_window=1.0,
    lambda_identity=0.0,
    lambda_prior=0.1,
    lambda_spread=0.1,
    w_noise=0.01,
    rampup=0.8,
    w_steps=4,
    steps=4,
    tune_steps=3,
    shrink_full=False,
    precision="32-true",
    compile=True,
)
NUMBERS = (
    "lambda_perceptual", "lambda_pixel", "lambda_prior", "lambda_spread", "lambda_anchor", "w_lr", "lr", "rampup",
    "rampdown", "focus", "perceptual_margin", "layer_shrinkage", "w_noise", "w_noise_ramp", "tune_lr",
    "tune_locality", "tune_reach",
)  # fmt: skip


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """Every graph that torch.compile hands to its backend, which runs it as it is."""
    torch.compiler.reset()
    found: list[object] = []

    def backend(graph: torch.fx.GraphModule, inputs: Sequence[Any], **_: Any) -> Callable[..., Any]:
        found.append(graph)
        return graph.forward

    monkeypatch.setattr(compilation, "_fault", lambda: None)
    monkeypatch.setattr(torch._dynamo, "lookup_backend", lambda name: backend)
    vgg = random_vgg(tuple(BASE.perceptual_layers))
    monkeypatch.setattr(VGG16Features, "pretrained", classmethod(lambda cls, layers, dtype=None: vgg))
    yield found
    torch.compiler.reset()


def one_face(generator: LinearGenerator) -> Faces:
    hole = torch.zeros(1, 1, 16, 16)
    hole[..., 9:13, 5:11] = 1
    return Faces(("a",), torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1, hole, hole)


def test_ten_values_of_any_number_are_compiled_once(graphs: list[object]) -> None:
    generator, shared = LinearGenerator(), Shared()
    faces = one_face(generator)

    def job(**changes: Any) -> torch.Tensor:
        config = dataclasses.replace(BASE, **changes)
        return StyleGANProjection(config, generator, CPU, seed=0, shared=shared).unmask(faces).raw

    plain = job()
    first = len(graphs)
    assert first > 0
    for name in NUMBERS:
        value = getattr(BASE, name)
        results = [job(**{name: value * (0.9 - 0.07 * index)}) for index in range(10)]
        assert len(graphs) == first, f"{name} is compiled into the step"
        assert not torch.equal(results[-1], plain), f"{name} does nothing here, so this proves nothing"


def test_a_term_that_is_left_out_is_another_step(graphs: list[object]) -> None:
    """Leaving a term out saves its cost; the count would not notice a step that never compiles again."""
    generator, shared = LinearGenerator(), Shared()
    faces = one_face(generator)
    for weight in (1.0, 0.0):
        before = len(graphs)
        config = dataclasses.replace(BASE, lambda_perceptual=weight)
        StyleGANProjection(config, generator, CPU, seed=0, shared=shared).unmask(faces)
        assert len(graphs) > before


def test_weights_as_tensors_give_the_bits_of_numbers(graphs: list[object]) -> None:
    x = torch.rand(1000, generator=torch.Generator().manual_seed(0)) * 3
    for weight in (0.2, 1 / 3, 1e5, 8.0):
        tensors = Weights(pixel=weight, perceptual=0, prior=0, spread=0).tensors(x)
        assert list(tensors) == ["pixel"] and torch.equal(tensors["pixel"] * x, weight * x)
