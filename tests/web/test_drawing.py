"""Maps go to the browser as layers and come back."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from unmask.photos import FoundFace
from unmask.photos.scene import quad_at
from unmask.web.drawing import LONG_SIDE, face_at, layer_of, map_of, preview, with_boxes


def face(index: int, box: tuple[float, float, float, float]) -> FoundFace:
    return FoundFace(index, box, 0.9, quad_at(0, 0, 1).corners, None, ())


def test_small_photos_stay_and_large_ones_fit() -> None:
    small = Image.new("RGB", (640, 480))
    assert preview(small) is small
    assert preview(Image.new("RGB", (4000, 3000))).size == (LONG_SIDE, LONG_SIDE * 3 // 4)


@pytest.mark.parametrize("size", [(900, 600), (3000, 2000)])
def test_a_map_comes_back_as_it_went(size: tuple[int, int]) -> None:
    occlusion = np.zeros((size[1], size[0]), bool)
    occlusion[size[1] // 2 : size[1] // 2 + 150, 200:500] = True
    layer = layer_of(occlusion, preview(Image.new("RGB", size)).size)
    back = map_of([layer], size)
    assert (back & occlusion).sum() / (back | occlusion).sum() > 0.98


def test_what_is_painted_is_added_and_what_is_erased_is_gone() -> None:
    occlusion = np.zeros((60, 90), bool)
    occlusion[20:40, 20:40] = True
    layer = np.array(layer_of(occlusion, (90, 60)))
    layer[20:40, 20:30] = 0  # the eraser
    layer[5:10, 70:80] = (255, 0, 110, 255)  # the brush, opaque
    expected = occlusion.copy()
    expected[20:40, 20:30] = False
    expected[5:10, 70:80] = True
    np.testing.assert_array_equal(map_of([Image.fromarray(layer)], (90, 60)), expected)
    assert not map_of([], (90, 60)).any()


def test_the_smallest_face_under_the_click() -> None:
    faces = [face(0, (0, 0, 100, 100)), face(1, (40, 40, 60, 60))]
    assert face_at(50, 50, faces) is faces[1]
    assert face_at(10, 10, faces) is faces[0]
    assert face_at(300, 10, faces) is None


def test_boxes_are_drawn_on_a_copy() -> None:
    photo = Image.new("RGB", (200, 100), (9, 9, 9))
    drawn = with_boxes(photo, (400, 200), [face(0, (100, 60, 200, 160))], [0])
    assert photo.getpixel((50, 40)) == (9, 9, 9)
    assert drawn.getpixel((50, 60)) != (9, 9, 9)  # the left edge, at half the size
