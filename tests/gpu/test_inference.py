"""On a GPU every network says what it says on the CPU: scores to 1e-3, boxes to 0.05 px, in float32 without TF32."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.boxes.box_table import box_table
from pipeline.boxes.suppression import nms, top_candidates
from pipeline.data.canvas import ORIGINAL, Canvas
from pipeline.data.datasets.wider_face.dataset import WiderFace
from pipeline.data.datasets.wider_face.ground_truth import ground_truth_of
from pipeline.data.images import decode, resize
from pipeline.data.prediction_set import PredictionSet
from pipeline.data.records import Detections, ScoredBoxes
from pipeline.evaluation.wider_result import evaluate
from pipeline.inference.batches import launch_within_memory, plan_batches
from pipeline.inference.postprocess import detections
from pipeline.inference.predictor import Predictor, enlarge_on_device
from pipeline.inference.rerank import Reranker
from pipeline.inference.test_time import MODES, detect
from pipeline.models.detectors import DETECTORS
from pipeline.models.detectors.detector import Detector
from pipeline.models.fuse import for_inference
from pipeline.models.rankers import RANKERS
from pipeline.models.rankers.ranker import Ranker
from pipeline.models.weights import open_detector

pytestmark = pytest.mark.gpu

SCORE, PIXELS = 1e-3, 0.05


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    rough = np.random.default_rng(seed).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    return np.ascontiguousarray(resize(rough, width, height))


def settled(name: str, device: torch.device) -> Detector:
    """A detector of random weights whose norms have seen a batch, so that its answers are of a trained one's size."""
    torch.manual_seed(0)
    detector = DETECTORS[name].build()
    for module in detector.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    pixels = torch.from_numpy(np.stack([noise(384, 384, seed) for seed in range(2)]))
    detector.to(device).train()
    with torch.no_grad():
        detector(detector.normalisation(pixels.to(device)).permute(0, 3, 1, 2))
    return detector.eval().cpu()


def answers(detector: Detector, device: torch.device, dtype: torch.dtype, pixels: torch.Tensor) -> list[torch.Tensor]:
    """Logits, scores and boxes of every anchor, float64 on the CPU."""
    fast = for_inference(detector).to(device, dtype)
    with torch.inference_mode():
        raw = fast(fast.normalisation(pixels.to(device)).permute(2, 0, 1)[None].to(dtype))
        boxes = fast.decode(raw, fast.anchors(*pixels.shape[:2], device))[0][0]
        return [each.cpu().double() for each in (raw.logits[0], fast.scores(raw.logits)[0], boxes)]


@pytest.mark.parametrize("name", DETECTORS)
def test_every_detector(name: str, gpu: torch.device) -> None:
    """In float64 to 1e-6. In float32 to 1e-3 and 0.05 px, or, where random weights of 100 layers make more of every
    rounding, within four times of what the CPU's own float32 is away from float64. In bfloat16, where such weights make
    of it a quarter of the logits' spread and more, no more than twice as far from float64 as the CPU.
    """
    detector, pixels, cpu = settled(name, gpu), torch.from_numpy(noise(160, 224, 7)), torch.device("cpu")
    exact = answers(detector, cpu, torch.float64, pixels)
    assert exact[1].isfinite().all() and exact[0].std() > 1e-3
    size = (exact[2][:, 2:] - exact[2][:, :2]).amax(1, keepdim=True).clamp(min=1000) / 1000

    def distance(found: list[torch.Tensor]) -> tuple[float, float, float]:
        logits, scores, boxes = (abs(one - other).max().item() for one, other in zip(found, exact, strict=True))
        return logits, scores, (boxes if boxes == 0 else (abs(found[2] - exact[2]) / size).max().item())

    double = distance(answers(detector, gpu, torch.float64, pixels))
    assert max(double[:2]) < 1e-6 and double[2] < 1e-3  # anchors are float32
    own, ours = (distance(answers(detector, device, torch.float32, pixels)) for device in (cpu, gpu))
    for error, reference, allowed in zip(ours, own, (4 * SCORE, SCORE, PIXELS), strict=True):
        assert error < max(allowed, 4 * reference), (ours, own)
    halves = (answers(detector, device, torch.bfloat16, pixels)[0] - exact[0] for device in (cpu, gpu))
    own_half, half = (each.square().mean().sqrt().item() for each in halves)
    assert own_half / 2 < half < 2 * own_half


@pytest.mark.parametrize("name", ["retinaface_mobilenet", "mogface_mobilenet"])
def test_tiles_equal_the_whole(name: str, gpu: torch.device) -> None:
    detector, image = settled(name, gpu), noise(760, 1100, 3)
    side = 2 * detector.receptive_halo + 2 * max(detector.strides)
    if side >= 1100:
        image = noise(side + 200, side + 300, 3)
    whole = Predictor(detector, gpu, max_candidates=2000).candidates(image, ORIGINAL)
    tiled = Predictor(detector, gpu, max_candidates=2000, tile=side).candidates(image, ORIGINAL)
    np.testing.assert_allclose(whole.scores, tiled.scores, atol=1e-4)
    np.testing.assert_allclose(np.sort(whole.boxes, axis=0), np.sort(tiled.boxes, axis=0), rtol=1e-4, atol=PIXELS)


@pytest.mark.parametrize("size", [(530, 370), (401, 97), (53, 37), (7680, 5361)])
def test_enlarging_is_that_of_the_cpu_to_one_level(size: tuple[int, int], gpu: torch.device) -> None:
    small = np.random.default_rng(1).integers(0, 256, (37, 53, 3), np.uint8)
    ours = enlarge_on_device(torch.from_numpy(small).to(gpu), *size).cpu().numpy()
    assert np.abs(ours.astype(np.int16) - resize(small, *size)).max() <= 1


def test_the_best_candidates_and_equal_scores(gpu: torch.device) -> None:
    g = torch.Generator().manual_seed(0)
    scores = (torch.rand(500_000, generator=g) * 1000).round() / 1000
    for k in (1, 5000, 400_000, 600_000):
        assert torch.equal(top_candidates(scores, k), top_candidates(scores.to(gpu), k).cpu())


@pytest.mark.parametrize("pixel_inclusive", [True, False])
@pytest.mark.parametrize("iou_inclusive", [True, False])
def test_suppression(pixel_inclusive: bool, iou_inclusive: bool, gpu: torch.device) -> None:
    g = torch.Generator().manual_seed(0)
    corner, side = torch.rand(3000, 2, generator=g) * 300, torch.rand(3000, 2, generator=g) * 60 + 1
    boxes, scores = torch.cat([corner, corner + side], 1).round(), (torch.rand(3000, generator=g) * 500).round() / 500
    rule = {"pixel_inclusive": pixel_inclusive, "iou_inclusive": iou_inclusive}
    cpu, ours = (nms(boxes.to(device), scores.to(device), 0.4, **rule).cpu() for device in ("cpu", gpu))
    assert torch.equal(cpu, ours)


@pytest.mark.parametrize("name", RANKERS)
def test_every_ranker(name: str, gpu: torch.device) -> None:
    ranker, image, found = _ranker(name), noise(300, 420, 5), some_candidates(400, 300, 420)
    table, valid = box_table(found.boxes, found.scores, 420, 300, ranker.num_candidates)
    answers = []
    for device in (torch.device("cpu"), gpu):
        fast = for_inference(ranker).to(device)
        pixels = fast.normalisation(torch.from_numpy(image).to(device)).permute(2, 0, 1)[None]
        with torch.inference_mode():
            tables = torch.from_numpy(table)[None].to(device)
            answers.append(fast(pixels, tables, torch.tensor([valid], device=device))[0, :valid].cpu())
    assert answers[0].std() > 1e-4 and (answers[0] - answers[1]).abs().max() < SCORE


@pytest.mark.parametrize("name", ["crface_mobilenet", "roi_mobilenet"])
def test_reranking(name: str, gpu: torch.device) -> None:
    ranker, image, found = _ranker(name), noise(300, 420, 5), some_candidates(400, 300, 420)
    cpu, ours = (Reranker(ranker, device, canvas=Canvas(640))(image, found) for device in ("cpu", gpu))
    np.testing.assert_allclose(np.sort(cpu.scores), np.sort(ours.scores), atol=SCORE)


@pytest.mark.wider
def test_the_published_weights_on_a_real_image(shared: Path, gpu: torch.device) -> None:
    _, detector = open_detector(shared / "data/weights/retinaface_mobilenet0.25_Final.pth", "retinaface_mobilenet")
    file = min((shared / "data/wider_images/WIDER_val/images").glob("*/*.jpg"))
    image = decode(file.read_bytes())
    # Enlarged here: two ways of enlarging may differ by a level, which moves a box by half a pixel.
    for seen in (image, resize(image, 2048, 2048 * image.shape[0] // image.shape[1])):
        cpu, ours = (
            Predictor(detector, device, max_candidates=300).candidates(seen, ORIGINAL) for device in ("cpu", gpu)
        )
        sure = cpu.scores > 0.1
        assert sure.any()
        np.testing.assert_allclose(cpu.scores[sure], ours.scores[: sure.sum()], atol=SCORE)
        near = np.abs(cpu.boxes[sure][:, None] - ours.boxes[None]).max(-1).min(1)
        assert near.max() < PIXELS


@pytest.mark.wider
@pytest.mark.parametrize("mode", ["crface_multi", "mogface_multi"])
def test_several_passes_with_voting(mode: str, shared: Path, gpu: torch.device) -> None:
    _, detector = open_detector(shared / "data/weights/retinaface_mobilenet0.25_Final.pth", "retinaface_mobilenet")
    image = decode(min((shared / "data/wider_images/WIDER_val/images").glob("*/*.jpg")).read_bytes())
    cpu, ours = (
        detect(Predictor(detector, device, max_candidates=300), image, MODES.find(mode)) for device in ("cpu", gpu)
    )
    sure = cpu.scores > 0.5
    assert sure.any() and abs(int(sure.sum()) - int((ours.scores > 0.5).sum())) <= 1
    # Each pass enlarges on its device, where pixels may differ by a level: a few pixels for a face of a few hundred.
    sides = (cpu.boxes[sure][:, 2:] - cpu.boxes[sure][:, :2]).max(1)
    near = np.abs(cpu.boxes[sure][:, None] - ours.boxes[None]).max(-1).min(1)
    assert (near / sides).max() < 0.05 and np.median(near) < 0.5


@pytest.mark.parametrize("name", RANKERS)
def test_every_ranker_in_half_precision(name: str, gpu: torch.device) -> None:
    ranker, image, found = _ranker(name), noise(300, 420, 5), some_candidates(400, 300, 420)
    full, half = (Reranker(ranker, gpu, dtype=dtype)(image, found) for dtype in (torch.float32, torch.bfloat16))
    assert 1e-7 < np.abs(np.sort(full.scores) - np.sort(half.scores)).max() < 0.05


@pytest.mark.wider
def test_half_precision_keeps_the_ap_of_100_real_images(shared: Path, gpu: torch.device) -> None:
    """To 0.3 of 100: on a CPU the easy ones lose 0.21."""
    _, detector = open_detector(shared / "data/weights/retinaface_mobilenet0.25_Final.pth", "retinaface_mobilenet")
    root, dataset = str(shared / "data/wider_images"), WiderFace(annotation="mat", missing="skip")
    read, entries = dataset.open(root), dataset.entries(root)
    samples = [read(entry) for entry in entries[:: len(entries) // 100][:100]]
    images = [decode(dataset.image_bytes(root, sample.path)) for sample in samples]
    sizes = [(sample.width, sample.height) for sample in samples]
    results = []
    for dtype in (torch.float32, torch.bfloat16):
        predictor, rows = Predictor(detector, gpu, dtype=dtype), list[Detections]()
        for batch in plan_batches(sizes, predictor, ORIGINAL):
            answer = launch_within_memory(predictor, [images[number] for number in batch], ORIGINAL)()
            for number, found in zip(batch, answer, strict=True):
                assert isinstance(found, ScoredBoxes)
                kept = detections(found, score=0.02, iou=0.4)
                rows.append(Detections(samples[number].image_id, *sizes[number], kept.boxes, kept.scores))
        results.append(evaluate(ground_truth_of(samples), PredictionSet.of(rows)).ap)
    for level, ap in results[0].items():
        assert ap > 0.7 and abs(results[1][level] - ap) < 0.003, (level, results)


def _ranker(name: str) -> Ranker:
    """A ranker whose last layers, zero at birth, say something."""
    torch.manual_seed(0)
    ranker = RANKERS[name].build(num_candidates=500).eval()
    for parameter in ranker.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.05)
    return ranker


def some_candidates(count: int, height: int, width: int) -> ScoredBoxes:
    rng = np.random.default_rng(0)
    corner, side = rng.uniform(0, [width - 60, height - 60], (count, 2)), rng.uniform(8, 60, (count, 1))
    scores = np.sort(rng.uniform(0, 1, count).astype(np.float32))[::-1].copy()
    return ScoredBoxes(np.hstack([corner, corner + side]).astype(np.float32), scores, None)
