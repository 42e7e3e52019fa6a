"""Which images go through a detector together, and how a batch that is too large for its device is split."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from pipeline.data.images import Image
from pipeline.data.records import ScoredBoxes
from pipeline.inference.memory import out_of_memory
from pipeline.inference.padded_canvas import padded_sides
from pipeline.inference.predictor import Predictor, Sizing

T = TypeVar("T")
Found = ScoredBoxes | ValueError | RuntimeError
"""The result of an image: its candidates, an answer that is not finite, or a lack of memory."""


def plan_batches(sizes: Sequence[tuple[int, int]], predictor: Predictor, canvas: Sizing) -> list[list[int]]:
    """Returns which images go together, each once: those of one padded canvas, by their first; else each one alone.

    ``sizes`` are (width, height) of the originals in pixels; an image of unknown size (zeros) is alone. A batch does
    not exceed the predictor's ``batch_pixels``, unless it is a single image. What fills no batch of its canvas goes
    with images of the next larger one: a batch of few images is a new size to the device, which costs more.
    """
    if not predictor.pads:
        return [[number] for number in range(len(sizes))]
    groups: dict[tuple[int, int], list[int]] = {}
    batches = []
    for number, (width, height) in enumerate(sizes):
        if width < 1 or height < 1:
            batches.append([number])
        else:
            groups.setdefault(padded_sides(*canvas.size(width, height)), []).append(number)
    by_area = sorted(groups, key=lambda sides: sides[0] * sides[1])
    for place, (width, height) in enumerate(by_area):
        members, room = sorted(groups[width, height]), predictor.room(width, height)
        larger = next((each for each in by_area[place + 1 :] if each[0] >= width and each[1] >= height), None)
        full = len(members) if larger is None else len(members) // room * room
        batches += [members[start : start + room] for start in range(0, full, room)]
        if larger is not None:
            groups[larger] += members[full:]
    return sorted(batches)


def launch_within_memory(predictor: Predictor, images: Sequence[Image], canvas: Sizing) -> Callable[[], list[Found]]:
    """Returns a function that waits for the results of a batch of uint8 [H, W, 3] BGR images, in their order.

    Where memory does not suffice, each half of the batch is tried, and a single image in ever smaller tiles; an image
    that fits in no way, or not into the predictor's memory budget, has that error, and the next ones are done.

    Raises RuntimeError: the device or a library is broken: other images would fare no better.
    """
    try:
        launched = _attempt(predictor, lambda: predictor.launch(images, canvas).wait)
    except ValueError as problem:
        if len(images) > 1:
            raise
        unfit: Found = problem.with_traceback(None)  # it would keep the image
        return lambda: [unfit]
    if not isinstance(launched, RuntimeError):
        return lambda: list(launched())
    sizes = [canvas.size(image.shape[1], image.shape[0]) for image in images]
    if len(images) > 1:
        predictor.shrink(len(images), (max(width for width, _ in sizes), max(height for _, height in sizes)))
        half = len(images) // 2
        parts = [launch_within_memory(predictor, part, canvas)() for part in (images[:half], images[half:])]
        return lambda: [found for part in parts for found in part]
    found: Found = launched
    side = min(max(sizes[0]), predictor.tile or max(sizes[0])) // 2
    while isinstance(found, RuntimeError) and side >= predictor.smallest_tile:
        found = _attempt(predictor, lambda: predictor.launch(images, canvas, tile=side).wait()[0])  # noqa: B023
        side //= 2
    return lambda: [found]


def candidates_within_memory(predictor: Predictor, image: Image, canvas: Sizing) -> ScoredBoxes:
    """Returns the best candidates of one image as `Predictor.candidates` does, in tiles where memory does not suffice.

    Raises ValueError: not such an image, or the network answered with NaN or infinity; RuntimeError: it does not fit
    in the smallest tiles either, or the device or a library is broken.
    """
    (found,) = launch_within_memory(predictor, [image], canvas)()
    if isinstance(found, Exception):
        raise found
    return found


def _attempt(predictor: Predictor, run: Callable[[], T]) -> T | RuntimeError:
    """Returns the result, or an error that names the lack of memory; unused memory is given back to the device then."""
    try:
        return run()
    except RuntimeError as problem:
        if not out_of_memory(problem):
            raise
        lacking = RuntimeError(f"{type(problem).__name__}: {problem}")
    # Outside the handler: the traceback would keep alive the tensors that did not fit.
    if predictor.device.type == "cuda":
        torch.cuda.empty_cache()
    return lacking
