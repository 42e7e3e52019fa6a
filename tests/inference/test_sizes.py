import json
from pathlib import Path

import pytest

from pipeline.inference.sizes import RetinaFaceSize, Scale, mogface_largest


def test_a_scale_rounds_like_opencv_and_leaves_a_pixel() -> None:
    assert Scale(0.5).size(5, 7) == (2, 4)  # halves to even
    assert Scale(0.25).size(1, 9) == (1, 2)


def test_retinafaces_public_rule() -> None:
    # 1600 / 683 would make the long side 2399.
    assert RetinaFaceSize().size(1024, 683) == (2150, 1434)
    assert RetinaFaceSize().size(1024, 1024) == (1600, 1600)
    assert RetinaFaceSize().size(2150, 1600) == (2150, 1600)
    assert RetinaFaceSize().factor(1024, 768) == 1600 / 768
    assert RetinaFaceSize().factor(768, 1032) == 1600 / 768  # 2150 exactly
    assert RetinaFaceSize().factor(768, 1033) == 2150 / 1033


@pytest.mark.wider
def test_mogfaces_largest_scales(shared: Path) -> None:
    for case in json.loads((shared / "reference/mogface/multiscale_scales.json").read_text()):
        size, hard = (case["w"], case["h"]), bool(case["test_hard"])
        assert mogface_largest(*size, hard=hard) == pytest.approx(case["max_im_shrink"], rel=1e-12)
        assert min(1, mogface_largest(*size, capped=False)) == pytest.approx(case["single_scale_shrink"], rel=1e-12)


def test_mistakes_are_named() -> None:
    for bad in (lambda: Scale(0.0), lambda: Scale(float("nan"))):
        with pytest.raises(ValueError, match="must be"):
            bad()
    with pytest.raises(ValueError, match="0 x 5"):
        Scale(2.0).size(0, 5)
