"""Joining the fill to the input: what must not change, and closed forms of the membrane."""

import pytest
import torch

from unmask.compositing import colour_membrane, composite, soft_edge
from unmask.kinds import Blend


def disc_hole(size: int = 64, radius: int = 16) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    return (((y - size // 2) ** 2 + (x - size // 2) ** 2) < radius**2).float()[None, None]


@pytest.mark.parametrize("blend", list(Blend))
def test_nothing_outside_the_hole_changes_by_a_bit(blend: Blend) -> None:
    torch.manual_seed(0)
    raw, masked, hole = torch.randn(1, 3, 64, 64), torch.rand(1, 3, 64, 64) * 2 - 1, disc_hole()
    joined = composite(raw, masked, hole, feather=3, blend=blend)
    outside = (hole == 0).expand_as(masked)
    assert torch.equal(joined[outside], masked[outside])
    assert not torch.equal(joined, masked)


def test_the_masked_pixels_do_not_reach_the_middle_of_the_hole() -> None:
    hole = disc_hole()
    raw = torch.zeros(1, 3, 64, 64)
    masked = torch.where(hole > 0, 1.0, 0.0).expand(1, 3, 64, 64)
    for blend in Blend:
        joined = composite(raw, masked, hole, feather=3 * 4, blend=blend)
        # float32: what is compared is 0
        assert joined[0, :, 32, 32].abs().max() < 1e-6


def test_membrane_removes_a_constant_colour_cast_exactly() -> None:
    torch.manual_seed(1)
    truth = torch.rand(1, 3, 64, 64) - 0.5
    cast = torch.tensor([0.2, -0.1, 0.05]).view(1, 3, 1, 1)
    joined = composite(truth - cast, truth, disc_hole(), feather=3, blend=Blend.membrane)
    # float32: a pyramid of sums
    assert torch.allclose(joined, truth, atol=1e-5)


def difference_of(cast: float, stretch: float, size: int = 64) -> torch.Tensor:
    """`cast` everywhere, but `stretch` in the lowest part, which borders on a quarter of the disc's circumference."""
    difference = torch.full((1, 3, size, size), cast)
    difference[..., size // 2 + round(0.7 * 16) :, :] = stretch
    return difference


def test_membrane_meets_the_input_at_every_part_of_the_seam() -> None:
    hole, difference = disc_hole(), difference_of(0.1, -0.8)
    found = colour_membrane(difference, hole, hole.shape[-1] / 256)
    y, x = 32 + 15, 32  # lowest pixel of the hole, whose neighbour differs by -0.8; highest, by 0.1
    assert found[0, 0, y, x] < -0.5
    # a robust mean: what disagrees keeps a little of its weight
    assert abs(float(found[0, 0, 32 - 15, x]) - 0.1) < 0.02


def test_a_stretch_of_the_seam_that_disagrees_does_not_dye_the_middle() -> None:
    hole = disc_hole()
    found = colour_membrane(difference_of(0.1, -0.8), hole, hole.shape[-1] / 256)
    # as above
    torch.testing.assert_close(found[0, :, 32, 32], torch.full((3,), 0.1), atol=0.01, rtol=0)


def test_the_common_cast_goes_by_the_hole_s_surroundings() -> None:
    hole = disc_hole(radius=8)
    difference = torch.full((1, 3, 64, 64), 0.2)
    difference[..., 28:37, 28:37] = 0.0  # in the hole: not looked at
    difference[..., :8, :] = difference[..., -8:, :] = difference[..., :8] = difference[..., -8:] = -0.1
    found = colour_membrane(difference, hole, hole.shape[-1] / 256)
    # deep in the hole little is left of the seam
    torch.testing.assert_close(found[0, :, 32, 32], torch.full((3,), 0.2), atol=2e-3, rtol=0)


def test_soft_edge_is_zero_outside_and_one_deep_inside() -> None:
    hole = disc_hole(256, 60)
    edge = soft_edge(hole, 4)
    assert edge[hole == 0].max() == 0
    assert edge[0, 0, 128, 128] == 1
    assert 0 < edge[0, 0, 128, 128 + 58] < 1


def test_a_hole_everywhere_is_just_the_raw_picture() -> None:
    raw = torch.rand(1, 3, 16, 16) * 2 - 1
    joined = composite(raw, torch.zeros(1, 3, 16, 16), torch.ones(1, 1, 16, 16), feather=2, blend=Blend.membrane)
    # float32: nothing is added
    assert torch.allclose(joined, raw, atol=1e-6)


def test_a_picture_does_not_depend_on_its_neighbours() -> None:
    torch.manual_seed(2)
    raw, masked = torch.rand(2, 3, 64, 64) - 0.5, torch.rand(2, 3, 64, 64) - 0.5
    hole = torch.cat([disc_hole(radius=10), disc_hole(radius=20)])
    both = composite(raw, masked, hole, feather=3, blend=Blend.membrane)
    alone = composite(raw[1:], masked[1:], hole[1:], feather=3, blend=Blend.membrane)
    # float32: sums of other lengths
    assert torch.allclose(both[1:], alone, atol=1e-6)
