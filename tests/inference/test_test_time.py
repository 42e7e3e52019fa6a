import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.boxes.frame import MOGFACE, RETINAFACE, Frame
from pipeline.data.canvas import ORIGINAL, Canvas
from pipeline.data.records import ScoredBoxes
from pipeline.inference.fusion import Voting, fuse
from pipeline.inference.postprocess import detections
from pipeline.inference.predictor import Predictor
from pipeline.inference.sizes import Scale
from pipeline.inference.test_time import MODES, Mode, Pass, Postprocess, SizeFilter, crface, detect, mogface, unflip
from tests.inference.networks import lively_detector, noise


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(lively_detector(), max_candidates=60)


@pytest.fixture(scope="module")
def image() -> NDArray[np.uint8]:
    return noise(64, 96)


def assert_equal(one: ScoredBoxes, other: ScoredBoxes) -> None:
    np.testing.assert_array_equal(one.boxes, other.boxes)
    np.testing.assert_array_equal(one.scores, other.scores)
    np.testing.assert_array_equal(one.landmarks, other.landmarks)


def test_single_is_the_predictor_at_original_size(predictor: Predictor, image: NDArray[np.uint8]) -> None:
    assert_equal(detect(predictor, image, MODES["single"]), predictor.candidates(image, ORIGINAL))


def test_a_mirrored_pass_finds_the_mirrored_image_in_place(predictor: Predictor, image: NDArray[np.uint8]) -> None:
    """A mirrored pass over the mirrored image gives the mirrored boxes of the plain pass."""
    seen = Pass(ORIGINAL, mirrored=True)(predictor, np.ascontiguousarray(image[:, ::-1]))
    plain = predictor.candidates(image, ORIGINAL)
    np.testing.assert_array_equal(seen.scores, plain.scores)
    np.testing.assert_allclose(seen.boxes[:, 0], 96 - plain.boxes[:, 2], atol=1e-4)
    np.testing.assert_allclose(seen.boxes[:, [1, 3]], plain.boxes[:, [1, 3]])
    np.testing.assert_allclose(seen.landmarks[:, 1, 0], 96 - plain.landmarks[:, 0, 0], atol=1e-4)
    np.testing.assert_allclose(seen.landmarks[:, 4, 1], plain.landmarks[:, 3, 1])
    np.testing.assert_allclose(seen.landmarks[:, 2, 0], 96 - plain.landmarks[:, 2, 0], atol=1e-4)


def test_mirroring_back_twice_changes_nothing() -> None:
    rng = np.random.default_rng(1)
    corner = rng.integers(0, 50, (7, 2))
    boxes = np.concatenate([corner, corner + 9], 1).astype(np.float32)
    found = ScoredBoxes(boxes, np.ones(7, np.float32), rng.integers(0, 60, (7, 5, 2)).astype(np.float32))
    once = unflip(found, 64)
    assert (once.boxes[:, 2] > once.boxes[:, 0]).all() and once.boxes[0, 0] == 64 - boxes[0, 2]
    assert_equal(unflip(once, 64), found)
    assert unflip(ScoredBoxes(boxes, found.scores), 64).landmarks is None
    last = unflip(found.to(Frame.INCLUSIVE), 64)
    assert last.boxes[0, 0] == 63 - (boxes[0, 2] - 1)
    assert_equal(last.to(Frame.CONTINUOUS), once)


def test_several_passes_are_each_thinned_then_fused(predictor: Predictor, image: NDArray[np.uint8]) -> None:
    score = float(np.median(predictor.candidates(image, ORIGINAL).scores))
    mode = crface([Canvas(short_edge=64), Canvas(short_edge=100)], score)
    found = [each(predictor, image) for each in mode.passes(96, 64)]
    planned = [(side, mirrored) for side in (64, 100) for mirrored in (False, True)]
    assert [(each.sizing, each.mirrored) for each in mode.passes(96, 64)] == [
        (Canvas(short_edge=a), b) for a, b in planned
    ]
    assert all(0 < len(each) <= 60 and each.scores.min() > score for each in found)
    fused = detect(predictor, image, mode)
    assert_equal(fused, fuse(found, Voting(iou=0.4, singles="keep", convention=RETINAFACE)))
    assert 0 < len(fused) < sum(map(len, found))


def test_a_pass_thins_first_and_filters_then(predictor: Predictor, image: NDArray[np.uint8]) -> None:
    plain = predictor.candidates(image, Scale(1.5))
    sizes = SizeFilter(above=float(np.median((plain.boxes[:, 2] - plain.boxes[:, 0]) ** 2)))
    found = Pass(Scale(1.5), False, Postprocess(0.01, 0.3, 5), sizes)(predictor, image)
    thinned = detections(plain, score=0.01, iou=0.3, max_detections=5, convention=MOGFACE)
    assert_equal(found, thinned.take(sizes.keeps(thinned)))
    assert len(Pass(Scale(1.5), postprocess=Postprocess(0, max_detections=7))(predictor, image)) == 7


def test_several_passes_need_a_rule(predictor: Predictor, image: NDArray[np.uint8]) -> None:
    mode = replace(crface([Canvas(64)]), fusion=None)
    with pytest.raises(ValueError, match="2 passes need a fusion rule"):
        detect(predictor, image, mode)


def test_the_papers_sizes() -> None:
    sizes = [each.sizing.size(1024, 683) for each in MODES["crface_multi"].passes(1024, 683)]
    assert [min(each) for each in sizes] == [500, 500, 800, 800, 1100, 1100, 1400, 1400, 1700, 1700]
    large = [each.sizing.size(1024, 683)[0] for each in MODES["crface_8k_multi"].passes(1024, 683)]
    assert large == [7680, 7680, 5760, 5760, 4096, 4096]
    for name in ("crface_multi", "crface_8k_multi"):
        assert [each.mirrored for each in MODES[name].passes(9, 9)][:4] == [False, True, False, True]
        assert MODES[name].fusion == Voting(iou=0.4)
    assert MODES["retinaface_1600"].passes(1024, 683)[0].sizing.size(1024, 683) == (2150, 1434)
    assert MODES["mogface_single"].passes(1024, 683)[0].sizing.size(1024, 683) == (1024, 683)


def test_mogfaces_fusion() -> None:
    assert MODES["mogface_multi"].fusion == Voting(0.6, cap=750, convention=MOGFACE)
    assert MODES["mogface_multi_hard"].fusion == Voting(0.5, cap=750, convention=MOGFACE)
    thin = {
        name: {each.postprocess for each in MODES[name].passes(640, 480)} for name in MODES if "mogface_multi" in name
    }
    assert thin["mogface_multi"] == thin["mogface_multi_sides"] == {Postprocess(0.01, 0.3, 750)}
    assert thin["mogface_multi_hard"] == {Postprocess(0.01, 0.4, 750)}
    assert {name for name, mode in MODES.items() if mode.convention is MOGFACE} == {*thin, "mogface_single"}


@pytest.mark.wider
def test_mogface_calls_of_every_image_size(shared: Path) -> None:
    cases = json.loads((shared / "reference/mogface/multiscale_scales.json").read_text())
    assert len(cases) == 12
    for case in cases:
        passes = mogface(hard=bool(case["test_hard"])).passes(case["w"], case["h"])
        factors = [each.sizing.factor for each in passes]
        assert factors == pytest.approx(case["calls"], rel=1e-12)
        last = len(passes) - 1 if case["test_hard"] else None
        assert [n for n, each in enumerate(passes) if each.mirrored] == [1, *([last] if last else [])]
        assert [n for n, each in enumerate(passes) if each.sizes is None] == [0, 1, *([last] if last else [])]


def test_every_mode_runs(predictor: Predictor) -> None:
    small = noise(20, 30, 2)
    for name, mode in MODES.items():
        if name in ("crface_8k_multi", "retinaface_1600", "crface_multi"):
            continue  # their sizes are large whatever the image
        found = detect(predictor, small, mode)
        assert len(found) > 0, name
        assert np.isfinite(found.boxes).all() and (np.diff(found.scores) <= 0).all()


def test_an_unknown_mode_is_named_with_the_choices() -> None:
    assert MODES.find("single") is MODES["single"] and isinstance(MODES.find("mogface_multi"), Mode)
    with pytest.raises(ValueError, match="no test-time mode is called 'multi' .*choices: single, .*crface_multi"):
        MODES.find("multi")


def test_naming_modes_costs_no_torch() -> None:
    code = "import sys, pipeline.inference.test_time; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
