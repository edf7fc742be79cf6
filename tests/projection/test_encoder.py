"""The encoder of visible faces into w_plus: what it may look at, its file, and the layers it speaks for."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from unmask.errors import UnmaskError
from unmask.projection.encoder import SIZE, LatentEncoder

EXPECTED = torch.randn(2, 8, generator=torch.Generator().manual_seed(9))


@pytest.fixture
def network() -> LatentEncoder:
    torch.manual_seed(0)
    network = LatentEncoder((0, 2, 5), num_ws=7, w_dim=8)
    torch.nn.init.normal_(network.last.weight)
    network.axes.copy_(torch.randn(8, 8))
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)  # type: ignore[union-attr]
    return network.eval()


def pictures(size: int = 2 * SIZE) -> tuple[torch.Tensor, torch.Tensor]:
    masked = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(3)) * 2 - 1
    visible = torch.ones(2, 1, size, size)
    visible[..., size // 2 + 1 : size - 7, size // 4 + 3 : size // 2] = 0
    return masked, visible


def test_every_layer_has_the_w_of_its_group(network: LatentEncoder) -> None:
    assert network.group_of_layers().tolist() == [0, 0, 1, 1, 1, 2, 2]
    w_plus = network.w_plus(*pictures(), EXPECTED)
    assert w_plus.shape == (2, 7, 8)
    assert torch.equal(w_plus[:, 0], w_plus[:, 1]) and torch.equal(w_plus[:, 2], w_plus[:, 4])
    assert not torch.equal(w_plus[:, 1], w_plus[:, 2])


def test_it_corrects_what_it_is_given_along_its_axes(network: LatentEncoder) -> None:
    masked, visible = pictures()
    expected = EXPECTED[:, None] + network(masked, visible) @ network.axes
    torch.testing.assert_close(network.w_plus(masked, visible, EXPECTED)[:, [0, 2, 5]], expected)


def test_untrained_it_corrects_nothing() -> None:
    found = LatentEncoder((0, 1), num_ws=3, w_dim=8).eval().w_plus(*pictures(), EXPECTED)
    assert torch.equal(found, EXPECTED[:, None].expand(-1, 3, -1))


def test_hidden_pixels_do_not_matter(network: LatentEncoder) -> None:
    masked, visible = pictures()
    other = torch.where(visible > 0, masked, torch.rand_like(masked))
    assert torch.equal(network.w_plus(masked, visible, EXPECTED), network.w_plus(other, visible, EXPECTED))
    assert not torch.equal(network(masked, visible), network(masked.flip(3), visible))


def test_a_picture_does_not_depend_on_its_neighbours(network: LatentEncoder) -> None:
    masked, visible = pictures()
    torch.testing.assert_close(network(masked, visible)[1:], network(masked[1:], visible[1:]))


def test_round_trip_through_a_file(network: LatentEncoder, tmp_path: Path) -> None:
    network.half().float().save(tmp_path / "encoder.safetensors", {"faces": 3})
    loaded = LatentEncoder.load(tmp_path / "encoder.safetensors", 7, 8)
    assert torch.equal(loaded.w_plus(*pictures(), EXPECTED), network.w_plus(*pictures(), EXPECTED))
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


def test_another_file_is_refused_by_name(network: LatentEncoder, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    with pytest.raises(UnmaskError, match=r"other\.safetensors: not a latent encoder .*train_encoder"):
        LatentEncoder.load(path, 7, 8)
    save_file({"first.0.weight": torch.zeros(1)}, path)
    with pytest.raises(UnmaskError, match="not a latent encoder"):
        LatentEncoder.load(path, 7, 8)
    network.save(path, {})
    with pytest.raises(UnmaskError, match="7 w of 8 numbers, but this one has 23 of 512"):
        LatentEncoder.load(path, 23, 512)


def test_files_that_do_not_say_their_channels_have_those_of_the_first(tmp_path: Path) -> None:
    torch.manual_seed(1)
    first = LatentEncoder((0, 2), num_ws=3, w_dim=8, channels=(64, 128, 224, 256)).eval()
    torch.nn.init.normal_(first.last.weight)
    tensors = {name: value for name, value in first.state_dict().items() if value.is_floating_point()}
    save_file(tensors, tmp_path / "first.safetensors", {"shape": '{"groups": [0, 2], "num_ws": 3, "w_dim": 8}'})
    again = LatentEncoder.load(tmp_path / "first.safetensors", num_ws=3, w_dim=8)
    assert torch.equal(again(*pictures()), first(*pictures()))
