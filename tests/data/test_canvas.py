"""Geometry of canvas and tiles: exact sizes, tiles that partition any canvas."""

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
    assert Canvas(short_edge=short_edge).size(*original) == size


@given(st.integers(1, 9000), SIDES, SIDES)
def test_long_side_is_exact_and_short_side_is_nearest(long_edge: int, width: int, height: int) -> None:
    size = Canvas(long_edge).size(width, height)
    assert max(size) == long_edge and min(size) >= 1
    exact = min(width, height) * long_edge / max(width, height)
    assert abs(min(size) - exact) <= 0.5 or min(size) == 1


def test_names() -> None:
    assert parse_canvas("8k") == parse_canvas("8K") == parse_canvas(7680) == parse_canvas("7680") == Canvas(7680)
    assert parse_canvas("original") == Canvas(None) and parse_canvas(str(Canvas(1024))) == Canvas(1024)
    assert parse_canvas(str(Canvas(None))) == Canvas(None) and parse_canvas("short-640") == Canvas(short_edge=640)
    assert (parse_canvas("1"), parse_canvas("short-1")) == (Canvas(1), Canvas(short_edge=1))
    assert parse_canvas(str(Canvas(short_edge=640))) == Canvas(short_edge=640)


@pytest.mark.parametrize("text", ["4k", "", "-5", "0", "1.5", "two", "²", "short", "short-", "short-0", "short-8k"])
def test_unknown_names_list_the_choices(text: str) -> None:
    with pytest.raises(ValueError, match=r"choose 8k.*original.*long edge"):
        parse_canvas(text)


def test_senseless_geometry_is_refused() -> None:
    for words, make in (
        ("at least 1 pixel", lambda: Canvas(0)),
        ("short edge must be at least 1 pixel", lambda: Canvas(short_edge=0)),
        ("one edge, got a long one of 640 and 480", lambda: Canvas(640, 480)),
        ("0 x 5", lambda: Canvas(10).size(0, 5)),
        ("no core", lambda: tiles(100, 100, 64, 32)),
        ("too small", lambda: tiles(1000, 100, 80, 32)),
        ("no tiles", lambda: tiles(0, 100, 640, 32)),
    ):
        with pytest.raises(ValueError, match=words):
            make()


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
        for w0, w1, c0, c1, side in ((wx0, wx1, cx0, cx1, width), (wy0, wy1, cy0, cy1, height)):
            assert w0 % multiple == 0 and 0 < w1 - w0 <= tile and c0 < c1
            assert w0 == 0 if c0 == 0 else c0 - w0 >= halo
            assert w1 == side if c1 == side else w1 - c1 >= halo
        cover[cy0:cy1, cx0:cx1] += 1
    assert (cover == 1).all()


@pytest.mark.parametrize(("halo", "multiple"), [(-1, 32), (0, 0), (0, -1)])
def test_a_halo_below_zero_and_a_multiple_below_one_are_refused(halo: int, multiple: int) -> None:
    with pytest.raises(ValueError, match=rf"halo must be at least 0 .* multiple at least 1, got {halo} and {multiple}"):
        tiles(100, 100, 64, halo, multiple)


def test_no_halo_and_any_pixel() -> None:
    assert tiles(5, 2, 2, 0, 1) == [
        Tile((0, 0, 2, 2), (0, 0, 2, 2)), Tile((2, 0, 4, 2), (2, 0, 4, 2)), Tile((4, 0, 5, 2), (4, 0, 5, 2)),
    ]  # fmt: skip
