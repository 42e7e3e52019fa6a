"""How large a tile fits into the memory of one worker."""

import math
from dataclasses import dataclass
from typing import Protocol

import torch

from pipeline.engine.machine_memory import memory_limit
from pipeline.models.detectors.detector import Detector

# A Ray worker with torch, torchvision and OpenCV loaded and a shard of candidates held: most of it is libraries.
# Without Ray it is 742 MB.
PROCESS_BYTES = 930 * 2**20
# Of the canvas, whatever the tile: three of pixels, 0.65 of anchors, rounded up for the index of a tile.
_CANVAS_BYTES_PER_PIXEL = 4
# On a GPU nothing is cut into blocks: at 8K in float32 networks took 1.2 to 3 times what a CPU takes per pixel.
_GPU_FACTOR = 3
_ROOMY = 6  # halos along a tile's side: its overlap then costs 2.25 times the work
_SMALL_IMAGE_BYTES = 64 * 2**20  # decoded, 22 megapixels: up to there it is in the figures above
_MOST_BATCH_PIXELS = 2**25
"""32 canvases of 1024 x 1024: enough to keep a GPU busy with any detector; a larger batch waits for its last image."""


def smallest_tile(detector: Detector) -> int:
    """Returns the least side of a tile that has room between its halos, in canvas pixels."""
    return 2 * detector.receptive_halo + max(detector.strides)


def peak_bytes(detector: Detector, width: int, height: int, tile: int | None = None, factor: float = 1) -> int:
    """Returns the peak resident memory of one worker process on a CPU, bytes, libraries included.

    For a canvas of width x height pixels, whole or in tiles; ``factor`` is the engine's, see `EngineSpec.memory`.
    """
    window = width * height if tile is None else min(tile, width) * min(tile, height)
    canvas = _CANVAS_BYTES_PER_PIXEL * width * height
    return PROCESS_BYTES + detector.memory.fixed + canvas + int(factor * detector.memory.per_pixel) * window


def tile_for_budget(
    detector: Detector, memory_bytes: int, *, width: int = 7680, height: int = 7680, factor: float = 1
) -> int | None:
    """Returns the greatest side of a tile with which a worker stays inside its memory on a CPU, or None for no tiles.

    Larger tiles lose less on their overlap. ``memory_bytes`` is for one worker process with its libraries, width and
    height are of the largest canvas (by default the largest 8K one), for ``factor`` see `peak_bytes`.

    Raises ValueError: not even the smallest tile fits; the message says what would.
    """
    if peak_bytes(detector, width, height, factor=factor) <= memory_bytes:
        return None
    coarse = max(detector.strides)
    need = peak_bytes(detector, width, height, smallest_tile(detector), factor)
    if need > memory_bytes:
        raise ValueError(
            f"{memory_bytes / 2**20:.0f} MB per worker are too few for a {width} x {height} canvas: "
            f"give at least {math.ceil(need / 2**20)} MB, or a smaller canvas"
        )
    left = (memory_bytes - peak_bytes(detector, width, height, 0)) // int(factor * detector.memory.per_pixel)
    side = math.isqrt(left)
    # On a long, narrow canvas a square tile is cut by the short side, and the rest may be longer.
    short = min(width, height)
    if side > short:
        side = left // short
    return side // coarse * coarse


class TileRule(Protocol):
    """How the tiles of an image follow from its size."""

    def planned(self) -> int | None:
        """Returns the greatest side of a tile before any image is known, None for no tiles."""

    def side(self, image: tuple[int, int], canvas: tuple[int, int]) -> int | None:
        """Returns that of one image; ``image`` and ``canvas`` are (width, height) in pixels.

        Raises ValueError: it does not fit into memory.
        """


@dataclass(frozen=True, slots=True)
class TileBudget:
    """The tiles with which a worker stays inside its memory on a CPU, also for images larger than it is planned for.

    Attributes:
        detector: what the memory is of.
        memory_bytes: of one worker process with its libraries.
        width, height: of the largest canvas it is planned for.
        factor: of the engine, see `peak_bytes`.
    """

    detector: Detector
    memory_bytes: int
    width: int = 7680
    height: int = 7680
    factor: float = 1

    def planned(self) -> int | None:
        """Returns the greatest side of a tile of a planned canvas, None for no tiles; raises as `tile_for_budget`."""
        return self._side(self.memory_bytes, (self.width, self.height))

    def side(self, image: tuple[int, int], canvas: tuple[int, int]) -> int | None:
        """Returns that of one image: its own where it or its canvas is larger than planned for.

        Raises ValueError: not even the smallest tile fits beside the image and its canvas.
        """
        pixels = 3 * image[0] * image[1]
        beside = pixels if pixels > _SMALL_IMAGE_BYTES else 0
        larger = max((self.width, self.height), canvas, key=math.prod)
        try:
            return self._side(self.memory_bytes - beside, larger)
        except ValueError:
            sizes = f"an image of {image[0]} x {image[1]} pixels on a canvas of {canvas[0]} x {canvas[1]}"
            raise ValueError(f"{sizes} does not fit into {self.memory_bytes / 2**30:g} GB per worker") from None

    def _side(self, memory_bytes: int, canvas: tuple[int, int]) -> int | None:
        return tile_for_budget(self.detector, memory_bytes, width=canvas[0], height=canvas[1], factor=self.factor)


@dataclass(frozen=True, slots=True)
class MachineTiles:
    """The tiles with which one process stays inside this machine's memory on a CPU, whatever image it gets.

    Too little memory ends a process there, without an error that could be caught.

    Attributes:
        detector: what the memory is of.
        factor: of the engine, see `peak_bytes`.
    """

    detector: Detector
    factor: float = 1

    def planned(self) -> None:
        """Returns None: most images need no tiles."""

    def side(self, image: tuple[int, int], canvas: tuple[int, int]) -> int | None:
        """Returns the greatest side of a tile of a canvas of (width, height) pixels, None for no tiles.

        The process takes at most half of the machine; all of it where tiles would be little more than their overlap.

        Raises ValueError: even in the smallest tiles the canvas does not fit.
        """
        (width, height), have = canvas, memory_limit()
        for budget in (have // 2, have):
            try:
                tile = tile_for_budget(self.detector, budget, width=width, height=height, factor=self.factor)
            except ValueError:
                continue
            if budget == have or tile is None or tile >= _ROOMY * self.detector.receptive_halo:
                return tile
        need = peak_bytes(self.detector, width, height, smallest_tile(self.detector), self.factor)
        sizes = f"needs {need / 2**30:.1f} GB, of which there are {have / 2**30:.1f}"
        raise ValueError(f"a canvas of {width} x {height} pixels {sizes}: choose a smaller one")


def batch_pixels(detector: Detector, device: torch.device, share: float = 1) -> int:
    """Returns the most pixels that the canvases of a batch have together, on a device of which the process has a share.

    On a CPU every image is alone: batches of eight at 640 pixels are a tenth slower in float32, whose maps then leave
    the cache.
    """
    if device.type != "cuda":
        return 1
    free, _ = torch.cuda.mem_get_info(device)
    # Half of it: maps of the next batch are made while those of the last one are still held.
    room = int(0.5 * min(share, 1.0) * free / (_GPU_FACTOR * detector.memory.per_pixel))
    return max(1, min(_MOST_BATCH_PIXELS, room))


def out_of_memory(problem: RuntimeError) -> bool:
    """Returns whether an error is a lack of memory, and not a broken device or library."""
    words = ("not enough memory", "out of memory", "can't allocate", "alloc_failed")  # the last: cuBLAS and cuDNN
    return isinstance(problem, torch.OutOfMemoryError) or any(each in str(problem).lower() for each in words)
