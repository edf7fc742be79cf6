from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.interpolate import RegularGridInterpolator
from skimage.measure import points_in_poly as points_in_polygon

from unmask.data.facemask import COLOURS, FaceShape, draw_mask, lay_mask
from unmask.data.facemask.inversion import invert_grid
from unmask.data.facemask.shape import BRIDGE_106, CONTOUR_106, fit_outline, surface
from unmask.errors import UnmaskError

SIZE = 256


def frontal(size: int = SIZE, turn: float = 0.0) -> FaceShape:
    """An oval face as FFHQ places it; `turn` moves the nose sideways, in face widths."""
    angle = np.linspace(np.pi, 0, 33)
    contour = np.stack([0.5 + 0.26 * np.cos(angle), 0.46 + 0.42 * np.sin(angle)], 1)
    bridge = np.stack([np.full(4, 0.5 + 0.52 * turn), np.linspace(0.48, 0.62, 4)], 1)
    return FaceShape(contour * size, bridge * size)


def skin(size: int = SIZE, level: float = 0.2) -> torch.Tensor:
    """A plain face that gets darker to the picture's left."""
    ramp = torch.linspace(-0.3, 0.3, size).expand(size, size)
    return torch.stack([ramp + level + 0.15, ramp + level - 0.1, ramp + level - 0.2]).clamp(-1, 1)


@pytest.mark.parametrize("colour", COLOURS)
def test_the_occlusion_is_where_the_picture_changed(colour: str) -> None:
    clean = skin()
    drawn = draw_mask(clean, frontal(), colour=colour, seed=1)
    assert drawn.masked.shape == (3, SIZE, SIZE)
    assert drawn.occlusion.shape == (1, SIZE, SIZE)
    assert drawn.masked.abs().max() <= 1
    as_stored = (((clean + 1) * 127.5).round() / 127.5 - 1).float()
    changed = ((drawn.masked - as_stored).abs().amax(0, keepdim=True) > 1e-4).float()
    assert (changed * (1 - drawn.occlusion)).sum() == 0
    # a few pixels of cloth may by chance have the colour of the skin, and soft edges round to no change
    assert (drawn.occlusion * (1 - changed)).sum() < 0.02 * drawn.occlusion.sum()


def test_it_covers_nose_mouth_and_chin_and_leaves_the_eyes() -> None:
    occlusion = draw_mask(skin(), frontal(), seed=0).occlusion[0]
    x = SIZE // 2
    assert occlusion[int(0.62 * SIZE), x] == 1
    assert occlusion[int(0.75 * SIZE), x] == 1
    assert occlusion[int(0.87 * SIZE), x] == 1
    assert occlusion[: int(0.44 * SIZE)].sum() == 0
    assert 0.08 < occlusion.mean() < 0.25


def test_loops_reach_the_ears_on_both_sides_but_not_where_the_head_turns_away() -> None:
    def beside(face: FaceShape) -> tuple[float, float]:
        """Drawn pixels beyond the contour at ear height, at the picture's left and right."""
        rows = slice(int(face.contour[1, 1]), int(face.contour[4, 1]))
        occlusion = draw_mask(skin(), face, seed=0).occlusion[0, rows]
        return (
            float(occlusion[:, : int(face.contour[3, 0]) - 1].sum()),
            float(occlusion[:, int(face.contour[29, 0]) + 2 :].sum()),
        )

    assert min(beside(frontal())) > 10
    left, right = beside(frontal(turn=-0.3))
    assert left == 0
    assert right > 10


def test_the_seed_alone_decides() -> None:
    first, again, other = (draw_mask(skin(), frontal(), seed=seed) for seed in (5, 5, 6))
    assert torch.equal(first.masked, again.masked)
    assert torch.equal(first.occlusion, again.occlusion)
    assert not torch.equal(first.masked, other.masked)


def test_a_mask_is_laid_where_it_would_be_drawn() -> None:
    drawn = draw_mask(skin(), frontal(), seed=5)
    laid = lay_mask(frontal(), drawn.occlusion.shape[-1], seed=5)
    assert laid.shape == drawn.occlusion.shape and torch.equal(laid, drawn.occlusion)


def test_colours_look_like_their_names() -> None:
    def mean(colour: str) -> torch.Tensor:
        drawn = draw_mask(skin(), frontal(), colour=colour, seed=2)
        box = np.s_[:, int(0.65 * SIZE) : int(0.8 * SIZE), int(0.4 * SIZE) : int(0.6 * SIZE)]
        return drawn.masked[box].mean((1, 2))

    red, green, blue = mean("light_blue")
    assert blue > green > red
    red, green, blue = mean("green")
    assert green > red
    assert green > blue
    red, green, blue = mean("pink")
    assert red > blue > green
    assert mean("black").max() < -0.5
    assert mean("white").min() > 0.3
    with pytest.raises(UnmaskError, match="plaid"):
        draw_mask(skin(), frontal(), colour="plaid")


def test_folds_and_light_show() -> None:
    box = np.s_[:, int(0.64 * 512) : int(0.85 * 512), int(0.42 * 512) : int(0.58 * 512)]
    drawn = draw_mask(skin(512), frontal(512), colour="white", seed=3).masked
    along = drawn[box].mean((0, 2))
    # folds are local dips: each much darker than both its surroundings
    dips = [
        i
        for i in range(8, len(along) - 8)
        if along[i] == along[i - 8 : i + 9].min() and along[i] < along[i - 8 : i + 9].max() - 0.12
    ]
    assert len(dips) in (2, 3)
    lit_from_right = drawn[0, 330:400, 330:350].mean() - drawn[0, 330:400, 162:182].mean()
    assert lit_from_right > 0.1
    dark = draw_mask(skin(512, level=-0.6), frontal(512), colour="white", seed=3).masked
    assert dark[box].mean() < drawn[box].mean() - 0.1


def test_the_size_of_the_picture_hardly_matters() -> None:
    large = draw_mask(skin(512), frontal(512), seed=4)
    small = draw_mask(skin(256), frontal(256), seed=4)
    shrunk = torch.nn.functional.interpolate(large.masked[None], (256, 256), mode="area")[0]
    # two resamplings of one picture
    assert (shrunk - small.masked).abs().mean() < 0.02


def test_the_surface_runs_between_the_four_edges() -> None:
    outline = fit_outline(frontal(), np.random.default_rng(0))
    grid = surface(outline)
    for edge, curve in ((grid[0], outline.top), (grid[-1], outline.bottom), (grid[:, 0], outline.left)):
        # float64: splines of pixels
        np.testing.assert_allclose(edge, curve, atol=1e-9)
    np.testing.assert_allclose(grid[:, -1], outline.right, atol=1e-9)
    # every cell keeps its orientation: the cloth does not fold over itself
    across, along = np.diff(grid, axis=1)[:-1], np.diff(grid, axis=0)[:, :-1]
    area = across[..., 0] * along[..., 1] - across[..., 1] * along[..., 0]
    assert area.min() > 0


def test_the_106_points_are_used_once_and_in_order() -> None:
    points = np.arange(212, dtype=np.float32).reshape(106, 2)
    face = FaceShape.from_106(points)
    assert sorted(CONTOUR_106) == list(range(33))
    np.testing.assert_array_equal(face.contour[16], points[0])
    np.testing.assert_array_equal(face.bridge, points[list(BRIDGE_106)])


def test_a_face_outside_the_picture_is_refused() -> None:
    face = frontal()
    away = FaceShape(face.contour + 3 * SIZE, face.bridge + 3 * SIZE)
    with pytest.raises(UnmaskError, match="no room"):
        draw_mask(skin(), away)


@pytest.mark.parametrize("size", [64, 256, 700])
@pytest.mark.parametrize("turn", [0.0, 0.25])
def test_pixels_find_their_place_on_the_cloth(size: int, turn: float) -> None:
    outline = fit_outline(frontal(size, turn), np.random.default_rng(1))
    grid = surface(outline)
    places = invert_grid(grid, size, size)
    assert places.shape == (size, size, 2)
    assert places.min() >= 0 and places.max() <= len(grid) - 1
    x, y = np.meshgrid(np.arange(size), np.arange(size))
    inside = points_in_polygon(np.stack([x, y], -1).reshape(-1, 2), outline.polygon).reshape(size, size)
    assert inside.mean() > 0.08
    nodes = np.arange(len(grid))
    again = RegularGridInterpolator((nodes, nodes), grid)(places[..., ::-1])
    distance = np.linalg.norm(again - np.stack([x, y], -1), axis=-1)
    # of a pixel
    assert distance[inside].max() < 0.01
