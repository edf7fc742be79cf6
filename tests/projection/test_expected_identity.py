"""The identity to expect behind a face mask: what it may look at, its file, and that it is worth having."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from unmask.config import DataConfig, OcclusionConfig, OcclusionSource
from unmask.data import load_dataset
from unmask.errors import UnmaskError
from unmask.networks.face_embedding import LOOK, NUMBERS, FaceEmbedding
from unmask.projection.identity import ExpectedIdentity

SAMPLE = Path(__file__).parents[2] / "data" / "sample"


@pytest.fixture
def expected() -> ExpectedIdentity:
    torch.manual_seed(0)
    return ExpectedIdentity(FaceEmbedding())


def test_hidden_pixels_do_not_matter(expected: ExpectedIdentity) -> None:
    masked = torch.rand(2, 3, 2 * LOOK, 2 * LOOK) * 2 - 1
    visible = torch.ones(2, 1, 2 * LOOK, 2 * LOOK)
    visible[..., 131:201, 77:180] = 0
    other = torch.where(visible > 0, masked, torch.rand_like(masked))
    found = expected.of(masked, visible)
    assert found.shape == (2, NUMBERS)
    assert torch.equal(found, expected.of(other, visible))
    assert not torch.equal(found, expected.of(masked, torch.ones_like(visible)))
    torch.testing.assert_close(expected.of(masked[1:], visible[1:]), found[1:])


def test_a_file_brings_the_network_back(tmp_path: Path, expected: ExpectedIdentity) -> None:
    expected.save(tmp_path / "identity.safetensors", {"steps": 3})
    again = ExpectedIdentity.load(tmp_path / "identity.safetensors")
    pictures, visible = torch.rand(1, 3, LOOK, LOOK), torch.ones(1, 1, LOOK, LOOK)
    # weights are kept in float16, 2^-11 of each
    torch.testing.assert_close(again.of(pictures, visible), expected.of(pictures, visible), atol=1e-3, rtol=1e-2)


@pytest.mark.parametrize("name", ["missing.safetensors", "other.safetensors", "text.safetensors"])
def test_other_files_are_refused_by_name(tmp_path: Path, name: str) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    (tmp_path / "text.safetensors").write_text("hello", encoding="utf-8")
    with pytest.raises(UnmaskError, match=rf"{name}.*train_identity"):
        ExpectedIdentity.load(tmp_path / name)


@pytest.mark.weights
def test_what_ships_tells_more_than_the_masked_face_and_nothing() -> None:
    """Of the sample's synthetic people, none of whom it learnt from."""
    data = DataConfig(root=str(SAMPLE), limit=16)
    dataset = load_dataset(data, OcclusionConfig(source=OcclusionSource.painted))
    embedding, expected = FaceEmbedding.pretrained(), ExpectedIdentity.load()
    faces = [dataset[i] for i in range(len(dataset))]
    clean = torch.cat([embedding(one.clean) for one in faces if one.clean is not None])
    told = torch.cat([expected.of(one.masked, one.visible) for one in faces])
    masked = torch.cat([embedding(one.masked) for one in faces])

    def distance(found: torch.Tensor) -> float:
        return float((found - clean).norm(dim=1).mean())

    assert distance(told) < 0.85 * distance(masked)
    assert distance(told) < 0.85 * distance(clean.mean(0, keepdim=True))
