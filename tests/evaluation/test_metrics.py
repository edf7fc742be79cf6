"""Metrics against scikit-image, plain numpy and the LPIPS package."""

from __future__ import annotations

import csv
import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from unmask.evaluation import metrics
from unmask.evaluation.lpips import lpips_distance
from unmask.evaluation.truth import Truth
from unmask.images import dilate, from_uint8, load_image, to_uint8
from unmask.kinds import Blend

SHARED = Path(os.environ.get("UNMASK_SHARED_DATA", Path(__file__).parents[2] / ".." / "shared" / "data"))
PAIRS = SHARED / "ffhq_cmfd"


def picture(seed: int, size: int = 64) -> Tensor:
    """A smooth random picture (3,size,size)."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 8, 8, generator=generator) * 2 - 1
    return torch.nn.functional.interpolate(coarse, (size, size), mode="bicubic").clamp(-1, 1)[0]


def square_hole(size: int = 64) -> Tensor:
    hole = torch.zeros(1, size, size)
    hole[:, size // 4 : size // 2, size // 4 : size // 2] = 1.0
    return hole


def test_psnr_agrees_with_scikit_image() -> None:
    from skimage.metrics import peak_signal_noise_ratio

    a, b = picture(0), picture(1)
    expected = peak_signal_noise_ratio(to_uint8(b), to_uint8(a), data_range=255)
    assert metrics.psnr(a, b).value == pytest.approx(expected)


def test_ssim_is_one_for_equal_pictures_and_falls_with_noise() -> None:
    a = picture(0)
    slightly = (a + 0.02 * torch.randn(a.shape, generator=torch.Generator().manual_seed(0))).clamp(-1, 1)
    much = (a + 0.3 * torch.randn(a.shape, generator=torch.Generator().manual_seed(0))).clamp(-1, 1)
    values = [metrics.ssim(one, a).value for one in (a, slightly, much)]
    assert values[0] == pytest.approx(1.0)
    assert values[0] > values[1] > values[2]


def test_ssim_agrees_with_its_formula() -> None:
    """Wang et al. 2004, eq. 13, written out with scipy's Gaussian filter on each channel."""
    from scipy.ndimage import gaussian_filter

    a, b = picture(0), picture(1)
    maps = []
    for channel in range(3):
        x, y = (to_uint8(one)[..., channel].astype(np.float64) for one in (a, b))
        blur = lambda z: gaussian_filter(z, 1.5, truncate=3.5)  # noqa: E731
        mx, my = blur(x), blur(y)
        vx, vy, vxy = blur(x * x) - mx**2, blur(y * y) - my**2, blur(x * y) - mx * my
        c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
        ssim_map = (2 * mx * my + c1) * (2 * vxy + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
        maps.append(ssim_map[5:-5, 5:-5].mean())
    assert metrics.ssim(a, b).value == pytest.approx(np.mean(maps), rel=1e-6)


def test_hole_psnr_is_computed_from_the_pixels_of_the_hole_alone() -> None:
    clean, hole = picture(0), square_hole()
    composite = torch.where(hole > 0, clean + 40 / 127.5, clean - 1.0).clamp(-1, 1)
    difference = (to_uint8(composite).astype(float) - to_uint8(clean))[16:32, 16:32]
    expected = 10 * math.log10(255**2 / (difference**2).mean())
    assert metrics.hole_psnr(composite, clean, hole).value == pytest.approx(expected)


def test_identical_pictures_have_no_psnr_but_a_reason() -> None:
    on_levels = from_uint8(to_uint8(picture(0)))
    measurement = metrics.psnr(on_levels, on_levels + 1e-4)
    assert measurement.value is None
    assert measurement.reason == metrics.IDENTICAL


def test_pictures_are_compared_as_their_files_would_be() -> None:
    """Less than half a level is no difference, and values beyond white are white."""
    a = torch.full((3, 8, 8), 0.0) + 0.5 / 127.5
    masked = a + 0.4 / 127.5
    assert metrics.visible_max_abs_change(masked, a, torch.zeros(1, 8, 8)).value == 0.0
    assert metrics.visible_max_abs_change(torch.full_like(a, 3.0), a, torch.zeros(1, 8, 8)).value == 127.0


def test_change_of_visible_pixels_ignores_the_hole_and_counts_levels() -> None:
    masked, hole = picture(0).mul(0.5), square_hole()
    composite = torch.where(hole > 0, torch.ones(()), masked)
    assert metrics.visible_max_abs_change(composite, masked, hole).value == 0.0
    composite[1, 0, 0] += 7 / 127.5
    assert metrics.visible_max_abs_change(composite, masked, hole).value == 7.0


@pytest.mark.parametrize("size", [128, 256, 1024])
def test_scored_hole_holds_the_disc_and_scales_with_the_resolution(size: int) -> None:
    occlusion = torch.zeros(1, size, size)
    occlusion[:, size // 2, size // 2] = 1.0
    hole, disc = metrics.scored_hole(occlusion), dilate(occlusion[None], metrics.HOLE_DILATION)[0]
    assert bool((hole >= disc).all())
    rows = hole[0].any(dim=1).nonzero()
    assert int(rows.max() - rows.min()) + 1 == 2 * (4 * size // 256) + 1


def test_without_a_clean_picture_only_the_masked_input_is_compared() -> None:
    masked, occlusion = picture(0), square_hole()
    results = metrics.measure(raw=picture(1), composite=masked, occlusion=occlusion, truth=Truth.of(masked, None))
    assert tuple(results) == metrics.NAMES
    with_value = {name for name, one in results.items() if one.value is not None}
    assert with_value == {"visible/max_abs_change", "raw_visible/psnr"}
    assert results["hole/psnr"].reason == metrics.NO_CLEAN


@pytest.mark.weights
def test_empty_occlusion_and_faceless_picture_are_null_with_a_reason() -> None:
    clean = picture(0)
    results = metrics.measure(
        raw=picture(1), composite=clean, occlusion=torch.zeros(1, 64, 64), truth=Truth.of(clean, clean)
    )
    assert results["hole/psnr"].reason == metrics.NO_HOLE
    assert results["hole/lpips"].reason == metrics.NO_HOLE
    assert results["identity/arcface"].reason == metrics.NO_FACE
    assert results["whole/psnr"].reason == metrics.IDENTICAL
    assert results["whole/lpips"].value == 0.0


@pytest.mark.weights
def test_lpips_agrees_with_the_network_written_out() -> None:
    """Zhang et al. 2018, eq. 1, with torchvision's AlexNet and the linear layers in the package's file."""
    import lpips
    import torchvision

    from unmask import weights

    alexnet = torchvision.models.alexnet(weights=None).features
    alexnet.load_state_dict(weights.load("alexnet-features"))
    file = Path(lpips.__file__).parent / "weights" / "v0.1" / "alex.pth"
    linear = torch.load(file, weights_only=True, map_location="cpu")
    shift = torch.tensor([-0.030, -0.088, -0.188])[:, None, None]
    scale = torch.tensor([0.458, 0.448, 0.450])[:, None, None]
    a, b = picture(0)[None], picture(1)[None]
    expected = torch.zeros(())
    with torch.no_grad():
        x, y = (a - shift) / scale, (b - shift) / scale
        layer = 0
        for index, module in enumerate(alexnet):
            x, y = module(x), module(y)
            if index in (1, 4, 7, 9, 11):  # after each ReLU
                unit_x, unit_y = (z / z.norm(dim=1, keepdim=True) for z in (x, y))
                difference = (unit_x - unit_y) ** 2
                expected += (difference * linear[f"lin{layer}.model.1.weight"]).sum(1).mean()
                layer += 1
    assert layer == 5
    assert float(lpips_distance(a, b)) == pytest.approx(float(expected), rel=1e-4)


@pytest.mark.weights
def test_lpips_does_not_depend_on_the_neighbours_in_the_batch() -> None:
    a = torch.stack([picture(seed) for seed in (0, 2, 4)])
    b = torch.stack([picture(seed) for seed in (1, 3, 5)])
    alone = torch.cat([lpips_distance(a[i : i + 1], b[i : i + 1]) for i in range(3)])
    # float32: sums in another order
    assert torch.allclose(lpips_distance(a, b), alone, atol=1e-6)
    assert len(set(alone.tolist())) == 3


@pytest.mark.weights
@pytest.mark.parametrize("size", [64, 256])
def test_both_distances_in_one_pass_are_those_of_two(size: int) -> None:
    random = torch.Generator().manual_seed(size)
    clean, composite = (torch.rand(3, size, size, generator=random) * 2 - 1 for _ in range(2))
    hole = torch.zeros(1, size, size)
    hole[:, size // 2 :, size // 4 : -size // 4] = 1
    truth = Truth.of(clean, clean)
    whole, inside = metrics.both_lpips(composite, truth, hole)
    # equal to the bit where it was written; a convolution may take another path for two pictures elsewhere
    assert whole.value == pytest.approx(metrics.whole_lpips(composite, truth).value, rel=1e-6)
    assert inside.value == pytest.approx(metrics.hole_lpips(composite, truth, hole).value, rel=1e-6)
    assert whole.value != inside.value
    nothing = metrics.both_lpips(composite, truth, torch.zeros_like(hole))
    assert (nothing[0].value, nothing[1].reason) == (pytest.approx(whole.value, rel=1e-6), metrics.NO_HOLE)


@pytest.mark.weights
def test_hole_lpips_does_not_see_the_visible_pixels() -> None:
    clean, hole = picture(0), square_hole()
    composite = picture(1)
    elsewhere = torch.where(hole > 0, composite, picture(2))
    value = metrics.hole_lpips(composite, Truth.of(clean, clean), hole).value
    assert value == metrics.hole_lpips(elsewhere, Truth.of(clean, clean), hole).value
    assert value is not None
    assert value > 0.0


@pytest.mark.weights
def test_lpips_leaves_the_random_state_alone() -> None:
    from unmask.evaluation.lpips import network

    network.cache_clear()
    torch.manual_seed(3)
    network(torch.device("cpu"))
    after = torch.rand(4)
    torch.manual_seed(3)
    assert torch.equal(after, torch.rand(4))


@pytest.mark.weights
@pytest.mark.slow
@pytest.mark.skipif(not PAIRS.is_dir(), reason="the real pairs are not on this machine")
def test_reference_numbers_of_real_pairs() -> None:
    """Copy and Telea on the first pairs, as an independent program measured them over these pictures."""
    from unmask.compositing import composite
    from unmask.faces import Faces
    from unmask.methods.inpaint import Inpaint

    with (PAIRS / "pairs.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))[:8]
    found: dict[str, list[dict[str, metrics.Measurement]]] = {"copy": [], "inpaint": []}
    for row in rows:
        clean, masked = load_image(PAIRS / row["clean"]), load_image(PAIRS / row["masked"])
        label = np.asarray(Image.open(PAIRS / row["occlusion"]).convert("L")) > 127
        occlusion = torch.from_numpy(label.astype(np.float32))[None]
        hole = dilate(occlusion[None], 4.0)
        faces = Faces((row["id"],), masked[None], occlusion[None], hole, clean[None])
        for name, raw in (("copy", masked[None]), ("inpaint", Inpaint(5.0).unmask(faces).raw)):
            joined = composite(raw, masked[None], hole, feather=0.0, blend=Blend.feather)
            found[name].append(
                metrics.measure(raw=raw[0], composite=joined[0], occlusion=occlusion, truth=Truth.of(masked, clean))
            )

    def mean(method: str, name: str) -> float:
        return float(np.mean([one[name].value for one in found[method]]))

    assert mean("copy", "identity/arcface") == pytest.approx(0.607, abs=0.01)
    assert mean("inpaint", "hole/psnr") > mean("copy", "hole/psnr") + 3.0
    assert mean("inpaint", "hole/lpips") < mean("copy", "hole/lpips")
    assert mean("inpaint", "identity/arcface") < mean("copy", "identity/arcface")
    assert mean("inpaint", "visible/max_abs_change") == 0.0
