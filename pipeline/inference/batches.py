"""Which images go through a detector together, and what becomes of a batch that is too large for its device."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from pipeline.data.images import Image
from pipeline.data.records import ScoredBoxes
from pipeline.inference.memory import out_of_memory
from pipeline.inference.padded_canvas import padded_sides
from pipeline.inference.predictor import Predictor, Sizing

Found = ScoredBoxes | ValueError | RuntimeError
"""What there is to say of an image: its candidates, a network's answer that is none, or a lack of memory."""


def plan_batches(sizes: Sequence[tuple[int, int]], predictor: Predictor, canvas: Sizing) -> list[list[int]]:
    """Returns which images go together, each once: those of one padded canvas, by their first; else every one alone.

    Args:
        sizes: (width, height) of the originals, pixels; zeros where they are not known: those are alone.
        predictor: whose ``batch_pixels`` a batch does not exceed, unless it is a single image.
        canvas: size at which the detector sees them.
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
    for (width, height), members in groups.items():
        room = predictor.room(width, height)
        batches += [members[start : start + room] for start in range(0, len(members), room)]
    return sorted(batches)


def launch_within_memory(predictor: Predictor, images: Sequence[Image], canvas: Sizing) -> Callable[[], list[Found]]:
    """Returns a function that waits for what a batch finds, in the order of the images.

    Where memory does not suffice, each half of the batch is tried, and a single image in ever smaller tiles; what fits
    in no way is that image's error, and the next ones are done.

    Args:
        predictor: that looks at them.
        images: uint8 [H, W, 3] each, BGR; at least one.
        canvas: size at which the detector sees them.

    Raises:
        RuntimeError: the device or a library is broken: other images would fare no better.
    """
    try:
        launched = predictor.launch(images, canvas)
        return lambda: list(launched.wait())
    except RuntimeError as problem:
        if not out_of_memory(problem):
            raise
        lacking = RuntimeError(f"{type(problem).__name__}: {problem}")
    # Outside the handler: the traceback would keep alive what did not suffice.
    _give_back(predictor.device)
    if len(images) > 1:
        sizes = [canvas.size(image.shape[1], image.shape[0]) for image in images]
        predictor.shrink(len(images), (max(width for width, _ in sizes), max(height for _, height in sizes)))
        half = len(images) // 2
        parts = [launch_within_memory(predictor, part, canvas)() for part in (images[:half], images[half:])]
        return lambda: [found for part in parts for found in part]
    found = _in_tiles(predictor, images[0], canvas, lacking)
    return lambda: [found]


def candidates_within_memory(predictor: Predictor, image: Image, canvas: Sizing) -> ScoredBoxes:
    """Returns the best candidates of one image as `Predictor.candidates` does, in tiles where memory does not suffice.

    Raises:
        ValueError: not such an image, or the network answered with NaN or infinity.
        RuntimeError: it does not fit in the smallest tiles either, or the device or a library is broken.
    """
    (found,) = launch_within_memory(predictor, [image], canvas)()
    if isinstance(found, Exception):
        raise found
    return found


def _in_tiles(predictor: Predictor, image: Image, canvas: Sizing, lacking: RuntimeError) -> Found:
    """Returns what an image that is too large as a whole gives in tiles, each try half as large as the one before."""
    side = max(canvas.size(image.shape[1], image.shape[0]))
    side = min(side, predictor.tile or side) // 2
    while side >= predictor.smallest_tile:
        try:
            return predictor.launch([image], canvas, tile=side).wait()[0]
        except RuntimeError as problem:
            if not out_of_memory(problem):
                raise
            lacking = RuntimeError(f"{type(problem).__name__}: {problem}")
        _give_back(predictor.device)
        side //= 2
    return lacking


def _give_back(device: torch.device) -> None:
    """Returns memory that is held for later use to the device, where other sizes may need it."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
