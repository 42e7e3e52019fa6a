import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.boxes.anchors import AnchorGrid

STANDARD = AnchorGrid((8, 16, 32), ((16, 32), (64, 128), (256, 512)))
ONE_MEGABYTE = AnchorGrid((8, 16, 32), ((10, 20), (32, 64), (128, 256)))


@pytest.mark.wider
@pytest.mark.parametrize(
    ("grid", "name", "height", "width"),
    [
        (STANDARD, "priors_std_201x253", 201, 253),
        (ONE_MEGABYTE, "priors_mb1_201x253", 201, 253),
        (STANDARD, "priors_std_640x640", 640, 640),
    ],
)
def test_equals_the_public_priors(shared: Path, grid: AnchorGrid, name: str, height: int, width: int) -> None:
    priors = np.load(shared / "reference/retinaface" / f"{name}.npz")["priors"]
    ours = grid.centres(height, width).double() / torch.tensor([width, height, width, height])
    assert ours.shape == priors.shape
    # The priors are rounded after division, ours are exact pixels: one rounding of a number below 1.
    assert np.abs(ours.numpy() - priors).max() <= 2**-24 * max(1, priors.max())


def test_counts_round_up() -> None:
    assert STANDARD.shapes(201, 253) == ((26, 32), (13, 16), (7, 8))
    assert STANDARD.count(201, 253) == 2192 == len(STANDARD.centres(201, 253))
    assert STANDARD.count(1, 1) == 6


def test_order_is_level_row_column_size() -> None:
    grid = AnchorGrid((4, 8), ((3, 5), (7,)))
    expected = [[x, y, s, s] for y in (2, 6, 10) for x in (2, 6) for s in (3, 5)] + [[4, 4, 7, 7], [4, 12, 7, 7]]
    assert grid.centres(10, 8).tolist() == expected


def test_s3fd_like_levels_have_the_known_number() -> None:
    sizes = tuple((float(16 << level),) for level in range(6))
    assert AnchorGrid((4, 8, 16, 32, 64, 128), sizes).count(1000, 700) == 58_450


def test_corners_are_the_same_squares() -> None:
    corners = STANDARD.corners(33, 17)
    centres = torch.cat([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]], dim=1)
    assert torch.equal(centres, STANDARD.centres(33, 17))
    assert corners[0].tolist() == [-4, -4, 12, 12]


def test_one_shape_is_computed_once_and_kept_for_a_few_others() -> None:
    first = STANDARD.centres(64, 96)
    assert STANDARD.centres(64, 96) is first
    assert pickle.loads(pickle.dumps(STANDARD)).centres(64, 96) is first
    for height in range(100, 120):
        STANDARD.centres(height, 96)
    assert STANDARD.centres(64, 96) is not first


def test_anchors_first_asked_for_in_inference_mode_can_be_trained_on() -> None:
    with torch.inference_mode():
        anchors = STANDARD.centres(77, 51)
    weight = torch.ones(4, requires_grad=True)
    (anchors * weight).sum().backward()
    assert torch.allclose(weight.grad, anchors.sum(0), rtol=1e-5)


@pytest.mark.parametrize("window", [(0, 0, 100, 90), (32, 64, 96, 128), (64, 96, 201, 131), (0, 32, 77, 131)])
def test_window_indices_point_at_the_same_anchors(window: tuple[int, int, int, int]) -> None:
    x0, y0, x1, y1 = window
    index = STANDARD.window_indices(131, 201, window)
    moved = STANDARD.centres(y1 - y0, x1 - x0) + torch.tensor([x0, y0, 0, 0])
    assert torch.equal(STANDARD.centres(131, 201)[index], moved)
    assert (index.diff() > 0).all()


@pytest.mark.parametrize(
    "window", [(8, 0, 64, 64), (0, 31, 64, 64), (0, 0, 300, 64), (64, 0, 64, 64), (-32, 0, 64, 64)]
)
def test_windows_off_the_cells_are_refused(window: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="is not on the 32-pixel cells"):
        STANDARD.window_indices(131, 201, window)


def test_bad_grids_are_refused() -> None:
    with pytest.raises(ValueError, match="2 strides for 1 levels"):
        AnchorGrid((8, 16), ((16,),))
    with pytest.raises(ValueError, match="positive"):
        AnchorGrid((8,), ((),))
    with pytest.raises(ValueError, match="0 x 5 pixels"):
        STANDARD.centres(5, 0)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (33, 257), (683, 1024)])
@pytest.mark.parametrize(
    "grid", [AnchorGrid((8, 16, 32), ((16, 32), (64, 128), (256, 512))), AnchorGrid((4, 64), ((5,), (7, 9, 11)))]
)
def test_chosen_anchors_are_those_of_the_whole_grid(grid: AnchorGrid, height: int, width: int) -> None:
    every = grid.centres(height, width)
    assert torch.equal(grid.centres_of(torch.arange(len(every)), height, width), every)
    index = torch.randint(0, len(every), (3, 40), generator=torch.Generator().manual_seed(0))
    assert torch.equal(grid.centres_of(index, height, width), every[index])


def test_the_anchors_of_images_on_a_padded_canvas_are_their_own_in_order() -> None:
    grid = AnchorGrid((8, 16, 32), ((16, 32), (64, 128), (256, 512)))
    sizes = [(1, 1), (100, 128), (128, 90), (33, 64)]
    inside = grid.inside(128, 128, torch.tensor(sizes))
    for mask, (height, width) in zip(inside, sizes, strict=True):
        assert torch.equal(grid.centres(128, 128)[mask], grid.centres(height, width))
