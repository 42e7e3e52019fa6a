import pytest

from pipeline.inference import memory as module
from pipeline.inference.memory import MachineTiles, TileBudget, TileRule, peak_bytes, smallest_tile, tile_for_budget
from pipeline.models.detectors.retinaface import retinaface_mobilenet

MB = 2**20


def test_whole_where_it_fits_and_the_largest_tile_where_not() -> None:
    detector = retinaface_mobilenet()
    whole = peak_bytes(detector, 7680, 5122)
    assert tile_for_budget(detector, whole, width=7680, height=5122) is None
    for budget in (1200 * MB, 1500 * MB, whole - 1):
        tile = tile_for_budget(detector, budget, width=7680, height=5122)
        assert tile is not None and tile % 32 == 0
        assert peak_bytes(detector, 7680, 5122, tile) <= budget < peak_bytes(detector, 7680, 5122, tile + 32)


def test_figures_are_near_what_was_measured() -> None:
    """Resident megabytes on a CPU with everything loaded: whole 8K, tiles of 4096 and of 2048 pixels."""
    detector = retinaface_mobilenet()
    for tile, measured in [(None, 2149), (4096, 1500), (2048, 1127)]:
        assert 0.98 * measured < peak_bytes(detector, 7680, 5122, tile) / MB < 1.2 * measured


def test_a_long_narrow_canvas_gets_longer_tiles() -> None:
    detector = retinaface_mobilenet()
    budget = 1200 * MB
    tile = tile_for_budget(detector, budget, width=7680, height=640)
    assert tile is None or peak_bytes(detector, 7680, 640, tile) <= budget
    tight = peak_bytes(detector, 7680, 640, 3200)
    assert tile_for_budget(detector, tight, width=7680, height=640) == 3200


def test_too_little_says_how_much_is_needed() -> None:
    with pytest.raises(ValueError, match=r"500 MB per worker are too few for a 7680 x 7680 .* at least \d+ MB"):
        tile_for_budget(retinaface_mobilenet(), 500 * MB)


def test_half_of_the_machine_is_taken_and_all_of_it_where_tiles_would_be_mostly_overlap(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    detector = retinaface_mobilenet()
    whole = peak_bytes(detector, 16384, 12288)
    for have, budget in ((2 * whole, whole), (whole, whole // 2), (whole // 4, whole // 4)):
        monkeypatch.setattr(module, "memory_limit", lambda have=have: have)
        expected = tile_for_budget(detector, budget, width=16384, height=12288)
        assert MachineTiles(detector).side((16384, 12288), (16384, 12288)) == expected
    monkeypatch.setattr(module, "memory_limit", lambda: 1400 * MB)
    with pytest.raises(ValueError, match=r"a canvas of 16384 x 12288 pixels needs 1\.\d GB, of which there are 1\.4"):
        MachineTiles(detector).side((16384, 12288), (16384, 12288))


def test_an_engine_that_takes_more_gets_smaller_tiles() -> None:
    detector, budget = retinaface_mobilenet(), 2000 * MB
    tiles = [tile_for_budget(detector, budget, width=7680, height=5122, factor=factor) for factor in (1, 2.4)]
    assert tiles[0] is not None and tiles[1] is not None and tiles[1] < tiles[0]
    assert (
        peak_bytes(detector, 7680, 5122, tiles[1], 2.4) <= budget < peak_bytes(detector, 7680, 5122, tiles[1] + 32, 2.4)
    )


def test_an_image_larger_than_planned_for_gets_smaller_tiles() -> None:
    """Beside a tile there are its own pixels, and what its canvas has more than the planned one."""
    detector, memory = retinaface_mobilenet(), 1600 * MB
    budget = TileBudget(detector, memory, 7680, 7680)
    planned = budget.planned()
    assert planned == tile_for_budget(detector, memory, width=7680, height=7680)
    assert planned is not None
    assert budget.side((5000, 4000), (7680, 6144)) == planned, "20 megapixels are in the figures"
    beside = 3 * 9000 * 6000
    assert budget.side((9000, 6000), (7680, 5120)) == tile_for_budget(
        detector, memory - beside, width=7680, height=7680
    )
    on_its_own = budget.side((9000, 8000), (9000, 8000))
    beside = 3 * 9000 * 8000 + 4 * (9000 * 8000 - 7680 * 7680)
    assert on_its_own == tile_for_budget(detector, memory - beside, width=7680, height=7680)
    assert on_its_own is not None
    assert on_its_own < planned
    message = r"an image of 13000 x 13000 pixels on a canvas of 13000 x 13000 does not fit into 1\.5625 GB per worker"
    with pytest.raises(ValueError, match=message):
        budget.side((13000, 13000), (13000, 13000))


def test_a_canvas_larger_than_planned_for_is_cut_where_a_planned_one_is_not() -> None:
    """A budget in which the planned canvas just fits whole says nothing of a canvas of twice its pixels."""
    detector = retinaface_mobilenet()
    image = canvas = (10860, 10860)
    budget = TileBudget(detector, peak_bytes(detector, 7680, 7680) + 3 * 10860**2 + 4 * 10860**2, 7680, 7680)
    assert budget.planned() is None
    side = budget.side(image, canvas)
    assert side is not None
    assert peak_bytes(detector, *canvas, side) + 3 * 10860**2 <= budget.memory_bytes


def test_the_machines_tiles_follow_the_engine_and_are_none_before_an_image_is_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    detector = retinaface_mobilenet()
    have = 2 * peak_bytes(detector, 7680, 5122)
    monkeypatch.setattr(module, "memory_limit", lambda: have)
    rule: TileRule = MachineTiles(detector)
    assert rule.planned() is None
    assert rule.side((1, 1), (7680, 5122)) is None
    side = MachineTiles(detector, 2.4).side((1, 1), (7680, 5122))
    assert side == tile_for_budget(detector, have // 2, width=7680, height=5122, factor=2.4)
    assert side is not None
    assert side >= smallest_tile(detector)
