"""The FFHQ prior against the published graph, and its low-resolution heads."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from unmask.config import MobileStyleGANConfig
from unmask.errors import UnmaskError
from unmask.generators.heads import HEAD_BLOCKS, StyledHead, load_head
from unmask.generators.mobilestylegan import MobileStyleGAN, inverse_haar
from unmask.images import resize

GOLDEN = Path(__file__).parents[1] / "golden" / "mobilestylegan.safetensors"


def test_inverse_haar_inverts_the_forward_transform() -> None:
    torch.manual_seed(0)
    picture = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    a, b, c, d = (picture[..., y::2, x::2] for y in (0, 1) for x in (0, 1))
    low, vertical = (a + b + c + d) / 2, (a + b - c - d) / 2
    horizontal, diagonal = (a - b + c - d) / 2, (a - b - c + d) / 2
    detail = torch.stack([vertical, horizontal, diagonal], 2).flatten(1, 2)
    assert torch.allclose(inverse_haar(torch.cat([low, detail], 1)), picture)


def test_inverse_haar_keeps_energy() -> None:
    x = torch.randn(1, 12, 5, 7)
    assert torch.allclose(inverse_haar(x).square().sum(), x.square().sum(), rtol=1e-5)


def test_a_head_survives_saving_and_loading(tmp_path: Path) -> None:
    torch.manual_seed(0)
    head = StyledHead(512)
    path = tmp_path / "heads.safetensors"
    save_file({f"128.{k}": v for k, v in head.state_dict().items()}, path)
    again = load_head(128, path)
    features, w = torch.randn(1, 512, 4, 4), torch.randn(1, 512)
    assert torch.equal(head(features, w), again(features, w))


def test_errors_name_the_key_and_the_file(tmp_path: Path) -> None:
    with pytest.raises(UnmaskError, match=r"data\.resolution=200"):
        load_head(200)
    (tmp_path / "x.safetensors").write_bytes(b"no tensors here")
    with pytest.raises(UnmaskError, match=r"x\.safetensors"):
        load_head(128, tmp_path / "x.safetensors")
    save_file({"a": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(UnmaskError, match=r"other\.safetensors"):
        MobileStyleGAN.build(MobileStyleGANConfig(checkpoint=str(tmp_path / "other.safetensors")), 256)


@pytest.fixture(scope="module")
def prior() -> MobileStyleGAN:
    return MobileStyleGAN.build(MobileStyleGANConfig(), 256)


@pytest.mark.weights
class TestPrior:
    def test_equals_the_published_graph(self, prior: MobileStyleGAN) -> None:
        golden = load_file(GOLDEN)
        w = prior.map(golden["z"])
        # float32 against another program's float32, eight layers of 512 products
        assert torch.allclose(w, golden["w"], atol=2e-5)
        w_plus = golden["w"][:1, None].repeat(2, prior.num_ws, 1)
        w_plus[1, 1::2] = golden["w"][1]  # two people in turns: the order of the style inputs matters
        for i in range(2):
            with torch.no_grad():
                picture = prior.synthesize_full(w_plus[i : i + 1])
            assert picture.shape == (1, 3, 1024, 1024)
            pooled = torch.nn.functional.avg_pool2d(picture, 16)
            # as above, after all layers; an 8-bit step is 8e-3
            assert torch.allclose(pooled, golden["pooled"][i : i + 1], atol=5e-5)
            assert torch.allclose(picture[..., 496:528, 496:528], golden["crop"][i : i + 1], atol=5e-5)

    def test_is_frozen(self, prior: MobileStyleGAN) -> None:
        assert not any(p.requires_grad for p in prior.parameters())
        assert not prior.training
        assert prior.noise_maps == ()

    def test_only_the_active_ws_change_the_low_resolution_picture(self, prior: MobileStyleGAN) -> None:
        torch.manual_seed(3)
        w_plus = prior.map(torch.randn(1, 512))[:, None].repeat(1, prior.num_ws, 1).requires_grad_(True)
        prior.synthesize(w_plus).square().sum().backward()
        assert w_plus.grad is not None
        moved = w_plus.grad[0].abs().sum(1) > 0
        assert moved[: prior.num_active_ws].all() and not moved[prior.num_active_ws :].any()

    @pytest.mark.slow
    @pytest.mark.parametrize("resolution", sorted(HEAD_BLOCKS))
    def test_the_head_gives_the_shrunken_full_picture(self, resolution: int) -> None:
        prior = MobileStyleGAN.build(MobileStyleGANConfig(), resolution)
        values = []
        for seed in (900_001, 900_002):
            z = torch.randn(1, 512, generator=torch.Generator().manual_seed(seed))
            mean = prior.map(torch.randn(2000, 512, generator=torch.Generator().manual_seed(1))).mean(0)
            w_plus = (mean + 0.7 * (prior.map(z) - mean))[:, None].expand(-1, prior.num_ws, -1)
            with torch.no_grad():
                error = prior.synthesize(w_plus) - resize(prior.synthesize_full(w_plus), resolution)
            values.append(float(-10 * torch.log10(error.square().mean() / 4)))
        assert min(values) > 26, values
