"""Detectors and rankers on one device: milliseconds, memory, share of the time in which it works, and the rest."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import numpy as np
import torch

from jobs.benchmarks.forward import settled
from jobs.gpu.figures import Figures
from jobs.gpu.parts import Setting
from pipeline.boxes.box_table import box_table
from pipeline.boxes.suppression import top_candidates
from pipeline.data.canvas import Canvas, parse_canvas
from pipeline.data.images import decode, resize
from pipeline.inference.candidates import Candidates
from pipeline.inference.predictor import Predictor
from pipeline.inference.rerank import Reranker
from pipeline.models.detectors import detector_spec
from pipeline.models.detectors.detector import Detector
from pipeline.models.optimise import for_inference
from pipeline.models.rankers import ranker_spec

TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def dump(setting: Setting, figures: Figures, name: str) -> None:
    """Measures one detector of random weights at 1024 and at 8K, in float32 (TF32 as torch has it) and bfloat16."""
    detector, image = _detector(name, setting.device), _image(setting)
    sizes = {"64": Canvas(64)} if setting.tiny else {"1024": Canvas(1024), "8K": parse_canvas("8k")}
    for label, canvas in sizes.items():
        for number in ("bfloat16", "float32"):
            with _told(figures, f"{label} {number}"):
                _one_canvas(setting, figures, detector, image, f"{label} {number}", canvas, TYPES[number])
    for count in (2,) if setting.tiny else (1, 8, 32):
        with _told(figures, f"1024 bfloat16, batch of {count}"):
            _batches(setting, figures, detector, count)


def rank(setting: Setting, figures: Figures, name: str) -> None:
    """Measures one ranker of random weights over 5,000 boxes at 1024 and at 8K, in float32."""
    rows = 100 if setting.tiny else 5000
    torch.manual_seed(0)
    ranker, image = ranker_spec(name).build(rows=rows).eval(), _image(setting)
    height, width = image.shape[:2]
    found = _candidates(rows, height, width)
    sizes = {"64": Canvas(64)} if setting.tiny else {"1024": Canvas(1024), "8K": parse_canvas("8k")}
    for label, canvas in sizes.items():
        with _told(figures, f"{label} float32"):
            _empty(setting.device)
            reranker = Reranker(ranker, setting.device, canvas=canvas)
            _pace(setting, figures, f"{label} float32", lambda each=reranker: each(image, found))
            fast = for_inference(ranker).to(setting.device)
            pixels = torch.from_numpy(resize(image, *canvas.size(width, height))).to(setting.device)
            table, valid = box_table(found.boxes, found.scores, width, height, rows)
            tables = torch.from_numpy(table)[None].to(setting.device)
            count = torch.tensor([valid], device=setting.device)

            def forward(network: Any = fast, seen: Any = pixels, boxes: Any = tables, real: Any = count) -> None:
                network(network.normalisation(seen).permute(2, 0, 1)[None], boxes, real)

            with torch.inference_mode():
                figures.add(f"{label} float32, network alone", 1000 * _seconds(setting, forward), "ms")


def _one_canvas(
    setting: Setting, figures: Figures, detector: Detector, image: Any, label: str, canvas: Canvas, dtype: torch.dtype
) -> None:
    device = setting.device
    _empty(device)
    predictor = Predictor(detector, device, dtype=dtype)
    _pace(setting, figures, label, lambda: predictor.candidates(image, canvas))
    width, height = canvas.size(image.shape[1], image.shape[0])
    with torch.inference_mode():
        pixels = predictor._enlarge(image, width, height)
        network = predictor.detector
        seen = network.normalisation(pixels).permute(2, 0, 1)[None].to(dtype)
        figures.add(f"{label}, network alone", 1000 * _seconds(setting, lambda: network(seen)), "ms")
        figures.add(
            f"{label}, copy and enlarge",
            1000 * _seconds(setting, lambda: predictor._enlarge(image, width, height)),
            "ms",
        )
        figures.add(
            f"{label}, normalise",
            1000 * _seconds(setting, lambda: network.normalisation(pixels).permute(2, 0, 1)[None].to(dtype)),
            "ms",
        )
        raw = network(seen)

        def choose() -> Any:
            scores = network.scores(raw.logits)[0]
            return network.anchors(height, width, predictor.device), top_candidates(scores, predictor.top)

        figures.add(f"{label}, anchors and top 5,000", 1000 * _seconds(setting, choose), "ms")
    if device == "cuda":
        figures.add(f"{label}, device busy", 100 * _busy(lambda: predictor.candidates(image, canvas)), "%")


def _batches(setting: Setting, figures: Figures, detector: Detector, count: int) -> None:
    """Measures the network alone on several images of 1024 x 683 at once, plain, and captured as a CUDA graph."""
    _empty(setting.device)
    fast = for_inference(detector).to(setting.device, torch.bfloat16)
    side = (64, 64) if setting.tiny else (683, 1024)
    seen = torch.rand(count, *side, 3, device=setting.device).permute(0, 3, 1, 2).mul(255).sub(110).bfloat16()
    label = f"1024 bfloat16, batch of {count}"
    with torch.inference_mode():
        seconds = _seconds(setting, lambda: fast(seen))
        figures.add(f"{label}, network alone", count / seconds, "images/s")
        if setting.device != "cuda":
            return
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream):
            for _ in range(3):
                fast(seen)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            fast(seen)
        figures.add(f"{label}, CUDA graph", count / _seconds(setting, graph.replay), "images/s")


def _pace(setting: Setting, figures: Figures, label: str, work: Callable[[], Any]) -> None:
    """Writes milliseconds of one image from the decoded image to arrays on the host, and the memory it took."""
    figures.add(f"{label}, an image", 1000 * _seconds(setting, work), "ms")
    if setting.device == "cuda":
        figures.add(f"{label}, peak memory", torch.cuda.max_memory_allocated() / 2**20, "MB")


def _seconds(setting: Setting, work: Callable[[], Any]) -> float:
    """Returns the median of several passes after two, the device waited for each time; at most four seconds of them."""
    spent: list[float] = []
    for number in range(2 if setting.tiny else 25):
        _wait(setting.device)
        begun = time.perf_counter()
        work()
        _wait(setting.device)
        spent.append(time.perf_counter() - begun)
        if sum(spent) > 4 and number > 2:
            break
    return median(spent[min(2, len(spent) - 1) :])


def _busy(work: Callable[[], Any]) -> float:
    """Returns the share of the time in which the device has a kernel or a copy to do, from the profiler's trace."""
    from torch.profiler import ProfilerActivity, profile

    work()
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as trace:
        begun = time.perf_counter()
        for _ in range(5):
            work()
        torch.cuda.synchronize()
        seconds = time.perf_counter() - begun
    spans = sorted(
        (event.time_range.start, event.time_range.end)
        for event in trace.events()
        if event.device_type == torch.autograd.DeviceType.CUDA
    )
    total, reached = 0.0, float("-inf")
    for start, end in spans:
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total / 1e6 / seconds


@contextlib.contextmanager
def _told(figures: Figures, label: str) -> Iterator[None]:
    """Turns a lack of memory into a figure; the rest is measured all the same."""
    try:
        yield
    except torch.OutOfMemoryError:
        figures.add(label, "out of memory")


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _empty(device: str) -> None:
    if device == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _image(setting: Setting) -> Any:
    """Returns a real photograph 1024 wide where there is one, else noise of the same size."""
    found = sorted((setting.shared / "data/wider_images/WIDER_val/images").glob("*/*.jpg")) if setting.shared else []
    if found:
        return decode(found[0].read_bytes())
    return np.random.default_rng(0).integers(0, 256, (683, 1024, 3), np.uint8)


def _detector(name: str, device: str) -> Detector:
    torch.manual_seed(0)
    return settled(detector_spec(name).build().to(device))


def _candidates(count: int, height: int, width: int) -> Candidates:
    rng = np.random.default_rng(0)
    corner, side = rng.uniform(0, [width - 60, height - 60], (count, 2)), rng.uniform(8, 60, (count, 1))
    scores = np.sort(rng.uniform(0, 1, count).astype(np.float32))[::-1].copy()
    return Candidates(np.hstack([corner, corner + side]).astype(np.float32), scores, None)
