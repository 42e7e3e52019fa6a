"""Geometry of canvas and tiles: exact sizes, exact way back, tiles that partition any canvas."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.data.canvas import Canvas, Tile, parse_canvas, tiles

SIDES = st.integers(1, 6000)


@pytest.mark.parametrize(
    ("long_edge", "original", "size"),
    [
        (7680, (1024, 683), (7680, 5123)),
        (7680, (1024, 768), (7680, 5760)),
        (7680, (768, 1024), (5760, 7680)),
        (7680, (8000, 10), (7680, 10)),
        (7680, (100_000, 1), (7680, 1)),
        (None, (1024, 683), (1024, 683)),
        (3, (4, 2), (3, 2)),
        (1, (1, 1), (1, 1)),
    ],
)
def test_sizes(long_edge: int | None, original: tuple[int, int], size: tuple[int, int]) -> None:
    assert Canvas(long_edge).size(*original) == size


@pytest.mark.parametrize(
    ("short_edge", "original", "size"),
    [
        (500, (1024, 683), (750, 500)),  # 749.63
        (500, (683, 1024), (500, 750)),
        (3, (4, 8), (3, 6)),
        (1, (2, 3), (1, 2)),  # half up
        (1700, (1, 1), (1700, 1700)),
    ],
)
def test_sizes_by_the_short_edge(short_edge: int, original: tuple[int, int], size: tuple[int, int]) -> None:
    assert Canvas.short(short_edge).size(*original) == size


@given(st.integers(1, 9000), SIDES, SIDES)
def test_long_side_is_exact_and_short_side_is_nearest(long_edge: int, width: int, height: int) -> None:
    size = Canvas(long_edge).size(width, height)
    assert max(size) == long_edge
    assert min(size) >= 1
    exact = min(width, height) * long_edge / max(width, height)
    assert abs(min(size) - exact) <= 0.5 or min(size) == 1


@given(st.integers(1, 9000), SIDES, SIDES)
def test_corners_map_exactly_and_back(long_edge: int, width: int, height: int) -> None:
    canvas = Canvas(long_edge)
    whole = np.array([[0, 0, width, height]], np.float32)
    there = canvas.to_canvas(whole, width, height)
    assert there[0, 2:].tolist() == pytest.approx(canvas.size(width, height), rel=1e-6)
    back = canvas.to_original(there, width, height)
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, whole, rtol=1e-6)
    fx, fy = canvas.factors(width, height)
    assert (fx * width, fy * height) == pytest.approx(canvas.size(width, height))


@pytest.mark.parametrize("size", [(1023, 769), (769, 1023), (333, 7), (4001, 2999)])
def test_every_point_is_the_float32_nearest_to_the_exact_product(size: tuple[int, int]) -> None:
    # A factor rounded to float32 first moves points by a unit in the last place: 0.0005 px at 8K.
    canvas = Canvas(7680)
    random = np.random.default_rng(0)
    points = random.uniform(0, max(size), (200, 4)).astype(np.float32)
    sides = list(zip(size, canvas.size(*size), strict=True)) * 2
    there, back = canvas.to_canvas(points, *size), canvas.to_original(points, *size)
    for column, (side, scaled) in enumerate(sides):
        for row, value in enumerate(points[:, column].tolist()):
            assert there[row, column] == np.float32(float(Fraction(value) * scaled / side))
            assert back[row, column] == np.float32(float(Fraction(value) * side / scaled))


def test_points_and_empty_arrays_keep_their_shape() -> None:
    canvas = Canvas(200)
    points = np.arange(20, dtype=np.float32).reshape(2, 5, 2)
    np.testing.assert_array_equal(canvas.to_canvas(points, 100, 50), points * 2)
    np.testing.assert_array_equal(canvas.to_original(points, 100, 50), points / 2)
    assert canvas.to_canvas(np.zeros((0, 4), np.float32), 100, 50).shape == (0, 4)
    assert canvas.to_original(np.zeros((0, 5, 2), np.float32), 100, 50).shape == (0, 5, 2)


def test_names() -> None:
    assert parse_canvas("8k") == parse_canvas("8K") == parse_canvas(7680) == parse_canvas("7680") == Canvas(7680)
    assert parse_canvas("original") == Canvas(None)
    assert parse_canvas(str(Canvas(1024))) == Canvas(1024)
    assert parse_canvas(str(Canvas(None))) == Canvas(None)
    assert parse_canvas("short-640") == Canvas.short(640)
    assert (parse_canvas("1"), parse_canvas("short-1")) == (Canvas(1), Canvas.short(1))
    assert parse_canvas(str(Canvas.short(640))) == Canvas.short(640)


@pytest.mark.parametrize("text", ["4k", "", "-5", "0", "1.5", "two", "²", "short", "short-", "short-0", "short-8k"])
def test_unknown_names_list_the_choices(text: str) -> None:
    with pytest.raises(ValueError, match=r"choose 8k.*original.*long edge"):
        parse_canvas(text)


def test_senseless_geometry_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1 pixel"):
        Canvas(0)
    with pytest.raises(ValueError, match="short edge must be at least 1 pixel"):
        Canvas.short(0)
    with pytest.raises(ValueError, match="one edge, got a long one of 640 and 480"):
        Canvas(640, 480)
    with pytest.raises(ValueError, match="0 x 5"):
        Canvas(10).size(0, 5)
    with pytest.raises(ValueError, match="no core"):
        tiles(100, 100, 64, 32)
    with pytest.raises(ValueError, match="too small"):
        tiles(1000, 100, 80, 32)
    with pytest.raises(ValueError, match="no tiles"):
        tiles(0, 100, 640, 32)
    with pytest.raises(ValueError, match="halo"):
        tiles(100, 100, 640, -1)


def test_small_canvas_is_one_tile() -> None:
    assert tiles(640, 33, 640, 64) == [Tile((0, 0, 640, 33), (0, 0, 640, 33))]


def test_worked_example() -> None:
    # Step 128 - 2 * 32 = 64: windows start at 0, 64, 128; the last core runs to the border.
    row = tiles(250, 10, 128, 32)
    assert [tile.window[0] for tile in row] == [0, 64, 128]
    assert [(tile.core[0], tile.core[2]) for tile in row] == [(0, 96), (96, 160), (160, 250)]


@given(st.data(), st.integers(1, 1500), st.integers(1, 1500), st.integers(0, 90), st.sampled_from([1, 8, 32, 64]))
def test_tiles_of_any_canvas(data: st.DataObject, width: int, height: int, halo: int, multiple: int) -> None:
    tile = data.draw(st.integers(2 * halo + multiple, 2 * halo + multiple + 700))
    # Painting every core onto a zero canvas proves the partition; tiny steps on large canvases would only be slow.
    if (width // multiple + 1) * (height // multiple + 1) > 2500 and tile - 2 * halo < 100:
        tile += 200
    cover = np.zeros((height, width), np.uint8)
    for piece in tiles(width, height, tile, halo, multiple):
        (wx0, wy0, wx1, wy1), (cx0, cy0, cx1, cy1) = piece.window, piece.core
        assert wx0 % multiple == 0
        assert wy0 % multiple == 0
        assert 0 < wx1 - wx0 <= tile
        assert 0 < wy1 - wy0 <= tile
        assert cx0 < cx1
        assert cy0 < cy1
        for window, core, border, low in (
            (wx0, cx0, 0, True),
            (wy0, cy0, 0, True),
            (wx1, cx1, width, False),
            (wy1, cy1, height, False),
        ):
            if core == border:
                assert window == border
            else:
                assert (core - window if low else window - core) >= halo
        cover[cy0:cy1, cx0:cx1] += 1
    assert (cover == 1).all()
