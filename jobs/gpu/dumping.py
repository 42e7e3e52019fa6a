"""A detector's dump on one device without Ray: images in memory in batches, each engine, and the single steps."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from jobs.benchmarks.forward import settled
from jobs.benchmarks.images import real_images
from jobs.gpu.figures import Figures
from jobs.gpu.measuring import busy, catch_out_of_memory, empty, median_seconds, wait
from jobs.gpu.parts import Setting
from pipeline.data.canvas import Canvas, parse_canvas
from pipeline.data.images import Image, decode, encode_jpeg
from pipeline.data.records import Detections
from pipeline.data.schemas import DETECTIONS
from pipeline.engine.columns import as_table
from pipeline.engine.shards import encode
from pipeline.inference.batches import launch_within_memory, plan_batches
from pipeline.inference.engines import ENGINES
from pipeline.inference.padded_canvas import padded_count, padded_sides
from pipeline.inference.predictor import Predictor, _on_canvas
from pipeline.models.detectors import DETECTORS


def dump(setting: Setting, figures: Figures, name: str) -> None:
    """Measures one detector of random weights at 1024 and at 8K with every engine, in bfloat16 where it has that.

    With torch also in float32 (TF32 as torch has it), and in bfloat16 with the times of the single steps.
    """
    torch.manual_seed(0)
    detector = settled(DETECTORS.find(name).build().to(setting.device)).cpu()
    sizes = {"64": Canvas(64)} if setting.tiny else {"1024": Canvas(1024), "8K": parse_canvas("8k")}
    counts = {"64": 3, "1024": 64, "8K": 4}
    for label, canvas in sizes.items():
        # One size: several are measured through Ray.
        images = load_images(setting, 1) * counts[label]
        for engine, number in _ways(setting):
            what = f"{label} {number}, {engine}"
            with catch_out_of_memory(figures, what):
                empty(setting.device)
                predictor = Predictor(detector, setting.device, dtype=getattr(torch, number), engine=engine)
                _whole(setting, figures, predictor, images, canvas, what)
                if engine == "torch" and number == "bfloat16":
                    _pieces(setting, figures, predictor, images[0], canvas, what)


def _ways(setting: Setting) -> list[tuple[str, str]]:
    kind = "cuda" if setting.device == "cuda" else "cpu"
    engines = [name for name, spec in ENGINES.items() if kind in spec.devices and spec.installed]
    if setting.tiny:
        engines = [name for name in engines if name not in ("compiled", "onnxruntime")]
    # The last precision of an engine is its fastest.
    return [("torch", "float32"), *((name, ENGINES[name].precisions[-1]) for name in engines)]


def _whole(
    setting: Setting, figures: Figures, predictor: Predictor, images: Sequence[Image], canvas: Canvas, what: str
) -> None:
    """Measures all images in batches, and the network alone."""
    begun = time.perf_counter()
    candidates_of_all(predictor, images, canvas)
    wait(setting.device)
    figures.add(f"{what}, first time", time.perf_counter() - begun, "s", f"{len(images)} images")
    seconds = median_seconds(setting, lambda: candidates_of_all(predictor, images, canvas), passes=3)
    figures.add(f"{what}, images/s", len(images) / seconds, "1/s")
    network, count = _network_alone(predictor, images, canvas)
    seconds = median_seconds(setting, network)
    figures.add(f"{what}, images/s of the network alone", count / seconds, "1/s", f"batch of {count}")
    if setting.device == "cuda":
        figures.add(f"{what}, peak memory", torch.cuda.max_memory_allocated() / 2**20, "MB")
        figures.add(f"{what}, device busy", 100 * busy(lambda: candidates_of_all(predictor, images, canvas)), "%")


def candidates_of_all(predictor: Predictor, images: Sequence[Image], canvas: Canvas) -> int:
    """Returns how many images had candidates: a dump's loop without files, see `pipeline.inference.batch_worker`."""
    sizes = [(image.shape[1], image.shape[0]) for image in images]
    working: deque[Callable[[], list[Any]]] = deque()
    good = 0
    for numbers in plan_batches(sizes, predictor, canvas):
        working.append(launch_within_memory(predictor, [images[n] for n in numbers], canvas))
        while len(working) > int(predictor.device.type == "cuda"):
            good += sum(not isinstance(found, Exception) for found in working.popleft()())
    while working:
        good += sum(not isinstance(found, Exception) for found in working.popleft()())
    return good


def _network_alone(predictor: Predictor, images: Sequence[Image], canvas: Canvas) -> tuple[Callable[[], object], int]:
    """Returns a run of the engine over the largest batch of these images, already on the device, and its size."""
    sizes = [(image.shape[1], image.shape[0]) for image in images]
    batch = max(plan_batches(sizes, predictor, canvas), key=len)
    seen, count = [canvas.size(*sizes[number]) for number in batch], len(batch)
    width, height = max(w for w, _ in seen), max(h for _, h in seen)
    extents = None
    if predictor.pads:
        width, height = padded_sides(width, height)
        count = padded_count(len(batch), predictor.room(width, height))
        seen += [seen[-1]] * (count - len(seen))
        extents = torch.tensor([(h, w) for w, h in seen], dtype=torch.int32, device=predictor.device)
    pixels = torch.zeros(count, height, width, 3, dtype=torch.uint8, device=predictor.device)
    engine = predictor._engine
    return torch.inference_mode()(lambda: engine(pixels, extents)), count


def _pieces(setting: Setting, figures: Figures, predictor: Predictor, image: Image, canvas: Canvas, what: str) -> None:
    """Measures the steps of one image, each alone and synchronised: together they take longer than the whole."""
    size = image.shape[1], image.shape[0]
    seen = canvas.size(*size)
    data = encode_jpeg(image, 90)
    found = predictor.candidates(image, canvas)
    rows = [Detections("a", *size, found.boxes, found.scores, found.landmarks).to_row()] * 8
    table = as_table(rows, DETECTIONS)
    sized = [_on_canvas(image, canvas)]
    (pixels,) = predictor._enlarged(sized)
    pieces: dict[str, tuple[Callable[[], Any], int]] = {
        "decode": (lambda: decode(data), 1),
        "copy and enlarge": (lambda: predictor._enlarged(sized), 1),
        "normalise": (lambda: predictor.detector.normalisation(pixels), 1),
        "all of one image": (lambda: predictor.candidates(image, canvas), 1),
        "rows to a table": (lambda: as_table(rows, DETECTIONS), len(rows)),
        "encode": (lambda: encode(table), len(rows)),
    }
    with torch.inference_mode():
        for piece, (work, count) in pieces.items():
            figures.add(f"{what}, {piece}", 1000 * median_seconds(setting, work, passes=7) / count, "ms", f"{seen}")


def load_images(setting: Setting, count: int) -> list[Image]:
    """Returns real photographs where there are some, else noise of their sizes, in turn."""
    if found := real_images(setting.shared):
        held = [decode(file.read_bytes()) for file in found[:count]]
    else:
        rng, heights = np.random.default_rng(0), (683, 768, 576, 1365)
        held = [rng.integers(0, 256, (height, 1024, 3), np.uint8) for height in heights[:count]]
    if setting.device == "cuda":  # as a dump's decoders do
        held = [torch.from_numpy(image).pin_memory().numpy() for image in held]
    return [held[number % len(held)] for number in range(count)]
