"""What other photographs change: the start, and the embedding that is aimed at."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from helpers.linear_generator import LinearGenerator
from unmask.config import Init, LatentSpaceName, StyleGANProjConfig
from unmask.faces import Faces
from unmask.methods.stylegan_proj import StyleGANProjection
from unmask.networks.face_embedding import FaceEmbedding
from unmask.projection.references import MEAN_SHARE, informed_start, wanted_identity

VISIBLE = torch.tensor([1.0, 1.0, 0.0, 0.0]).reshape(1, 1, 2, 2)


def mean_of_visible(pictures: Tensor, visible: Tensor) -> Tensor:
    """A stand-in for the encoder: (N,1,3), the mean colour of what is visible."""
    return ((pictures * visible).sum((2, 3)) / visible.sum((2, 3)))[:, None]


def test_one_reference_adds_what_its_hidden_part_adds() -> None:
    reference = torch.zeros(1, 3, 2, 2)
    reference[..., 1, :] = 1.0  # the hidden half is brighter by 1, so the whole is by 1/2 than what is visible
    start = torch.full((1, 1, 3), 7.0)
    torch.testing.assert_close(informed_start(start, (reference,), VISIBLE, mean_of_visible), start + 0.5)


def test_several_references_pull_towards_their_mean() -> None:
    references = torch.zeros(2, 3, 2, 2)
    references[1] += 2.0  # both alike within, so that the hidden part adds nothing
    start = torch.full((1, 1, 3), 7.0)
    found = informed_start(start, (references,), VISIBLE, mean_of_visible)
    torch.testing.assert_close(found, start + MEAN_SHARE / 2 * (1.0 - start))


def test_people_without_references_start_as_ever() -> None:
    start, visible = torch.randn(2, 1, 3), VISIBLE.expand(2, -1, -1, -1)
    reference = torch.randn(1, 3, 2, 2)
    found = informed_start(start, (reference[:0], reference), visible, mean_of_visible)
    assert torch.equal(found[0], start[0]) and not torch.equal(found[1], start[1])
    assert informed_start(start, (), visible, mean_of_visible) is start


@pytest.fixture(scope="module")
def embedding() -> FaceEmbedding:
    torch.manual_seed(0)
    return FaceEmbedding()


@torch.no_grad()
def test_the_references_embedding_replaces_the_expected_one(embedding: FaceEmbedding) -> None:
    expected, pictures = torch.randn(2, 128), torch.rand(3, 3, 128, 128) * 2 - 1
    known = (pictures[:0], pictures)
    wanted = wanted_identity(expected, known, embedding, prior=0.0, share=2.5)
    assert torch.equal(wanted.embeddings[0], expected[0])
    torch.testing.assert_close(wanted.embeddings[1], embedding(pictures).mean(0))
    assert wanted.shares is not None and wanted.shares.tolist() == [1.0, 2.5]
    as_one_more = wanted_identity(expected, known, embedding, prior=1.0, share=1.0)
    torch.testing.assert_close(as_one_more.embeddings[1], torch.cat([expected[1:], embedding(pictures)]).mean(0))
    nobody = wanted_identity(expected, (pictures[:0], pictures[:0]), embedding, prior=1.0, share=2.0)
    assert nobody.embeddings is expected and nobody.shares is None


def test_a_projection_starts_elsewhere_with_a_reference() -> None:
    generator = LinearGenerator()
    config = StyleGANProjConfig(
        name="stylegan_proj",
        init=Init.regression,
        latent_space=LatentSpaceName.w,
        lambda_perceptual=0.0,
        lambda_identity=0.0,
        w_steps=0,
        steps=0,
        compile=False,
    )
    with torch.no_grad():
        w = 0.3 * torch.randn(2, 1, 6, generator=torch.Generator().manual_seed(1))
        mine, other = generator.synthesize(w.expand(-1, 3, -1)).split(1)
    hole = torch.zeros(1, 1, 16, 16)
    hole[..., 8:, :] = 1
    faces = Faces(("a",), mine, hole, hole)
    method = StyleGANProjection(config, generator, torch.device("cpu"), seed=0)
    plain, same = method.unmask(faces).raw, method.unmask(dataclasses.replace(faces, references=(other[:0],))).raw
    informed = method.unmask(dataclasses.replace(faces, references=(other,))).raw
    assert torch.equal(plain, same) and not torch.equal(plain, informed)


def test_settings_say_whether_references_matter() -> None:
    config = StyleGANProjConfig(name="stylegan_proj")
    assert config.takes_references
    assert not dataclasses.replace(config, init=Init.mean, lambda_identity=0.0).takes_references
    assert dataclasses.replace(config, init=Init.mean).takes_references
    assert not dataclasses.replace(config, use_occlusion=False, lambda_identity=0.0).takes_references
