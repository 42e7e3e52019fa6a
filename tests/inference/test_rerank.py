from collections.abc import Sequence

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.boxes.box_table import box_table
from pipeline.data.canvas import Canvas
from pipeline.data.records import ScoredBoxes
from pipeline.inference.rerank import Reranker
from pipeline.models.detectors.detector import Normalisation
from pipeline.models.rankers import RANKERS
from pipeline.models.rankers.ranker import Ranker
from tests.inference.networks import lively_ranker, noise
from tests.stages.world import drawn_image


class FixedRanker(Ranker):
    """Answers with given numbers, and keeps its inputs."""

    def __init__(self, residual: list[float], rows: int = 6) -> None:
        super().__init__()
        self.normalisation = Normalisation((1.0, 2.0, 3.0))
        self.num_candidates = rows
        self.backbone = nn.Identity()
        self.answer = torch.tensor(residual + [0.0] * (rows - len(residual)))
        self.asked: list[tuple[Tensor, Tensor, Tensor]] = []

    def maps(self, images: Tensor) -> list[Tensor]:
        return [images]

    def residual(self, maps: Sequence[Tensor], sides: tuple[int, int], tables: Tensor, valid: Tensor) -> Tensor:
        assert sides == tuple(maps[0].shape[2:])
        self.asked.append((maps[0], tables, valid))
        return torch.where(self.real(tables, valid), self.answer, torch.nan)


def some(count: int = 5) -> ScoredBoxes:
    x = np.arange(count, dtype=np.float32)[:, None]
    boxes = np.concatenate([x, x + 1, x + 20, x + 31], axis=1)
    marks = np.repeat(x[:, :, None], 10, axis=1).reshape(count, 5, 2)
    return ScoredBoxes(boxes, np.linspace(0.9, 0.1, count, dtype=np.float32), marks)


def ranker_of(reranker: Reranker) -> FixedRanker:
    assert isinstance(reranker.ranker, FixedRanker)
    return reranker.ranker


def test_scores_are_refined_and_boxes_follow_their_scores() -> None:
    given = some()
    found = Reranker(FixedRanker([-0.5, 0.0, 0.1, -0.05, 0.65]))(drawn_image(), given)
    order = [4, 1, 2, 0, 3]
    np.testing.assert_allclose(found.scores, [0.75, 0.7, 0.6, 0.4, 0.25], atol=1e-6)
    np.testing.assert_array_equal(found.boxes, given.boxes[order])
    np.testing.assert_array_equal(found.landmarks, given.landmarks[order])
    assert found.scores.dtype == np.float32


FORMATS = [({}, [1.6, 1.4, 0.1, -1.7, -2.5]), ({"score_format": "clip"}, [1, 1, 0.1, 0, 0])]
FORMATS += [({"score_format": "squash"}, [0.88636, 0.86111, 0.3, 0.05682, 0.04167])]


@pytest.mark.parametrize(("how", "scores"), FORMATS)
def test_scores_keep_their_order_in_every_format(how: dict[str, str], scores: list[float]) -> None:
    given = some()
    found = Reranker(FixedRanker([0.5, 0.9, -3.0, -2.0, 0.0]), **how)(drawn_image(), given)
    np.testing.assert_array_equal(found.boxes, given.boxes[[1, 0, 4, 3, 2]])
    np.testing.assert_allclose(found.scores, scores, atol=1e-5)


def test_scores_do_not_tie_unless_they_are_clipped() -> None:
    """Corrections of several times 0..1 leave as many scores as boxes."""
    residual = np.random.default_rng(0).normal(0, 3, 500).tolist()
    rerankers = [Reranker(FixedRanker(residual, 500), score_format=how) for how in ("sum", "squash", "clip")]
    counts = [len(np.unique(each(drawn_image(), some(500)).scores)) for each in rerankers]
    assert counts[0] == counts[1] == 500 > 3 * counts[2]


def test_a_ranker_that_corrects_nothing_changes_nothing() -> None:
    given = some()
    found = Reranker(RANKERS.find("roi_mobilenet").build(num_candidates=10))(drawn_image(), given)
    for name in ("boxes", "scores", "landmarks"):
        np.testing.assert_array_equal(getattr(found, name), getattr(given, name))


def test_the_ranker_gets_the_image_at_its_size_and_boxes_as_shares_of_it() -> None:
    image, given = drawn_image(width=96, height=64), some()
    for long_edge, size in ((None, (96, 64)), (192, (192, 128)), (48, (48, 32))):
        reranker = Reranker(FixedRanker([0.0]), canvas=Canvas(long_edge))
        reranker(image, given)
        pixels, tables, valid = ranker_of(reranker).asked[0]
        expected = cv2.resize(image, size).astype(np.float32) - np.array([1, 2, 3], np.float32)
        np.testing.assert_allclose(pixels[0].permute(1, 2, 0).numpy(), expected, atol=1)
        np.testing.assert_allclose(tables[0, 1].numpy(), [1 / 96, 2 / 64, 20 / 96, 30 / 64, 0.7], atol=1e-6)
        assert not tables[0, 5:].any() and valid.tolist() == [5]


@pytest.mark.parametrize(("top", "count"), [(None, 6), (4, 4), (1, 1), (100, 6)])
def test_what_does_not_fit_into_the_table_is_dropped(top: int | None, count: int) -> None:
    given = some(9)
    found = Reranker(FixedRanker([0.0]), top=top)(drawn_image(), given)
    np.testing.assert_array_equal(found.boxes, given.boxes[:count])


@pytest.mark.parametrize("name", ["crface_mobilenet", "roi_mobilenet"])
def test_none_and_one_candidate(name: str) -> None:
    torch.manual_seed(0)
    ranker = RANKERS.find(name).build(num_candidates=10)
    for module in ranker.modules():
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.normal_(module.bias)
    reranker = Reranker(ranker)
    assert len(reranker(drawn_image(), some(0))) == 0
    (score,) = reranker(drawn_image(), some(1)).scores
    assert score != some(1).scores[0]


def test_folded_norms_answer_as_the_ranker_does() -> None:
    torch.manual_seed(1)
    ranker = RANKERS["roi_mobilenet"].build(num_candidates=10)
    nn.init.normal_(ranker.answer[-1].weight)
    reranker = Reranker(ranker.train())
    assert ranker.training and not any(isinstance(part, nn.BatchNorm2d) for part in reranker.ranker.modules())
    reranker(drawn_image(), some())
    pixels = ranker.normalisation(torch.from_numpy(drawn_image())).permute(2, 0, 1)[None]
    table, valid = box_table(some().boxes, some().scores, 96, 64, 10)
    with torch.no_grad():
        residual = ranker.eval()(pixels, torch.from_numpy(table)[None], torch.tensor([valid]))[0, :5].numpy()
    expected = np.sort(some().scores + residual)[::-1]
    np.testing.assert_allclose(reranker(drawn_image(), some()).scores, expected, atol=1e-4)


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match="top must be at least 1, got 0"):
        Reranker(FixedRanker([0.0]), top=0)
    with pytest.raises(ValueError, match=r"image must be uint8 \[H, W, 3\], got float64"):
        Reranker(FixedRanker([0.0]))(drawn_image().astype(float), some())
    rising = ScoredBoxes(some().boxes, some().scores[::-1].copy())
    with pytest.raises(ValueError, match="scores must never rise"):
        Reranker(FixedRanker([0.0]))(drawn_image(), rising)
    nan = ScoredBoxes(some().boxes, np.where(some().scores < 0.2, np.nan, some().scores).astype(np.float32))
    with pytest.raises(ValueError, match="1 of 5 candidates are not finite"):
        Reranker(FixedRanker([0.0]))(drawn_image(), nan)


def test_an_answer_that_is_no_number_is_refused() -> None:
    sick = Reranker(FixedRanker([0.0, float("nan")]))
    for ask in (sick.first_pass, lambda: sick(drawn_image(), some())):
        with pytest.raises(ValueError, match="the ranker answered with NaN or infinity"):
            ask()


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
@pytest.mark.parametrize("name", ["crface_mobilenet", "roi_mobilenet"])
def test_every_engine_ranks_as_torch_does(name: str, engine: str) -> None:
    ranker, image = lively_ranker(name), noise(201, 170)
    plain, other = Reranker(ranker), Reranker(ranker, engine=engine)
    for size in (201, 64, 201):
        cut = np.ascontiguousarray(image[:size])
        expected, found = plain(cut, some()), other(cut, some())
        assert np.ptp(expected.scores - some().scores) > 1e-4
        np.testing.assert_allclose(found.scores, expected.scores, atol=2e-5)
        np.testing.assert_array_equal(found.boxes, expected.boxes)


def test_the_part_that_sees_the_image_may_compute_in_bfloat16() -> None:
    torch.manual_seed(0)
    ranker = RANKERS["roi_mobilenet"].build(num_candidates=40).eval()
    with torch.no_grad():
        ranker.answer[-1].weight.normal_(std=0.1)
    expected, found = (
        Reranker(ranker, dtype=dtype)(noise(128, 128), some()) for dtype in (torch.float32, torch.bfloat16)
    )
    difference = np.abs(np.sort(found.scores) - np.sort(expected.scores)).max()
    assert 0 < difference < 0.02


@pytest.mark.parametrize("name", ["crface_mobilenet", "roi_mobilenet"])
def test_a_padded_canvas_changes_no_answer(name: str) -> None:
    """As on a GPU, where each new size costs a second."""
    ranker = lively_ranker(name)
    plain, padded = Reranker(ranker), Reranker(ranker, pads=True)
    for height, width in ((201, 170), (33, 300), (256, 256), (9, 12)):
        image = noise(height, width, height)
        expected, found = plain(image, some()), padded(image, some())
        assert np.ptp(expected.scores - some().scores) > 1e-4
        np.testing.assert_allclose(found.scores, expected.scores, atol=1e-5)
        np.testing.assert_array_equal(found.boxes, expected.boxes)
