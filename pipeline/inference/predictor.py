"""Images through one detector: enlarged to their canvas, whole or in tiles, to the best candidates before suppression.

Enlarging happens next to the network: only the small originals enter and only the candidates leave. One image is a
batch of one. On a GPU a batch is launched and waited for later, once; meanwhile the next one is prepared.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pipeline.data.canvas import Tile, tiles
from pipeline.data.images import resize
from pipeline.data.records import ScoredBoxes
from pipeline.inference.engines import open_engine
from pipeline.inference.memory import TileRule, batch_pixels, smallest_tile
from pipeline.inference.padded_canvas import full_count, padded_count, padded_sides
from pipeline.inference.selection import Selected, merge_tiles, pack, select, unpack
from pipeline.inference.streams import Streams
from pipeline.models.detectors.detector import Detector, Raw, RawAnswers

Image = NDArray[np.uint8]


class Sizing(Protocol):
    """A rule for the size of an image before the network: a `Canvas`, or one of `pipeline.inference.sizes`."""

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Returns (width, height) in whole pixels for an original of that size."""


@dataclass(frozen=True, slots=True)
class _Sized:
    """One image and the size of its canvas, pixels."""

    image: Image
    width: int
    height: int

    @property
    def factors(self) -> tuple[float, float]:
        """By which x and y of the canvas are multiplied to be those of the original."""
        return self.image.shape[1] / self.width, self.image.shape[0] / self.height


@dataclass
class PendingBatch:
    """A batch at work: what `pack` gave on its way to the host, what `unpack` asks for, and how to wait."""

    host: Tensor
    most: int
    counts: Sequence[int]
    arrival: Callable[[], None]

    def wait(self) -> list[ScoredBoxes | ValueError]:
        """Returns the candidates of each image, or an error; the one place that waits for the device."""
        self.arrival()
        return unpack(self.host, self.most, self.counts)


class Predictor:
    """A detector made ready to be applied to images.

    Attributes:
        detector, device, engine, tile: as given; the engine has a copy of the detector.
        pads: whether images of different sizes go into one batch.
        batch_pixels: most pixels of the canvases of a batch.
        smallest_tile: least side of a tile that has room between its halos.
    """

    def __init__(
        self,
        detector: Detector,
        device: torch.device | str = "cpu",
        *,
        max_candidates: int = 5000,
        tile: int | TileRule | None = None,
        dtype: torch.dtype = torch.float32,
        engine: str = "torch",
        gpu_share: float = 1,
        pads: bool | None = None,
    ) -> None:
        """Prepares a copy of the detector; the one given stays as it is.

        Args:
            detector: trained.
            device: where images are enlarged and the network runs.
            max_candidates: most candidates per image.
            tile: greatest side of a tile in canvas pixels, None for the whole canvas at once, or the rule that it
                follows from. Tiles overlap by the detector's receptive halo, so that the candidates equal those of the
                whole canvas.
            dtype: of the network's arithmetic; scores and boxes are float32 whatever it is.
            engine: entry of `pipeline.inference.engines.ENGINES` that runs the network.
            gpu_share: part of a GPU's memory that batches may use.
            pads: images of different sizes may go into one batch; None: on a GPU, where it gains something.

        Raises:
            ValueError: ``max_candidates`` is under one, a tile has no room between its halos, or the engine is missing.
        """
        if max_candidates < 1:
            raise ValueError(f"max_candidates must be at least 1, got {max_candidates}")
        self.smallest_tile = smallest_tile(detector)
        self._rule = None if tile is None or isinstance(tile, int) else tile
        tile = tile if tile is None or isinstance(tile, int) else tile.planned()
        if tile is not None and tile < self.smallest_tile:
            raise ValueError(f"tile of {tile} px is too small for this detector: at least {self.smallest_tile} px")
        self.device = torch.device(device)
        self.detector = detector
        self.max_candidates = max_candidates
        self.tile = tile
        self.engine = engine
        self._engine = open_engine(engine, RawAnswers(detector), detector.normalisation, self.device, dtype, pads)
        self._streams = Streams(self.device)
        self.pads = self._engine.pads and tile is None
        self.batch_pixels = batch_pixels(detector, self.device, gpu_share)

    def candidates(self, image_bgr: Image, canvas: Sizing) -> ScoredBoxes:
        """Returns the ``max_candidates`` best candidates of uint8 [H, W, 3] BGR, before suppression and any score cut.

        They are in pixels of the image, equal scores in the order of the canvas's anchors.

        Raises ValueError: not such an image, or the network answered with NaN or infinity.
        """
        (found,) = self.launch([image_bgr], canvas).wait()
        if isinstance(found, ValueError):
            raise found
        return found

    @torch.inference_mode()
    def launch(self, images_bgr: Sequence[Image], canvas: Sizing, *, tile: int | None = None) -> PendingBatch:
        """Returns a batch at work; its answers are those of `candidates` for each image, up to rounding.

        Args:
            images_bgr: uint8 [H, W, 3] each, BGR. Several only where all have the same size on the canvas, or where
                the predictor pads.
            canvas: size at which the detector sees them.
            tile: greatest side of a tile for a single image; None: that of the predictor.

        Raises ValueError: not such images, of sizes that cannot go together, or too large for the memory;
        torch.OutOfMemoryError: too many pixels for the device; nothing is at work then.
        """
        sized = [_on_canvas(image, canvas) for image in images_bgr]
        with self._streams.on_device():
            side = tile or self._side(sized)
            chosen = self._batch(sized) if side is None else self._tiled(sized, side)
            factors = [each.factors for each in sized] + [(1.0, 1.0)] * (len(chosen.scores_BK) - len(sized))
            rows = pack(chosen, self._streams.to_device(torch.tensor(factors, dtype=torch.float64)))
            host, arrival = self._streams.to_host(rows)
        counts = [min(self.max_candidates, self.detector.grid.count(each.height, each.width)) for each in sized]
        return PendingBatch(host, chosen.scores_BK.shape[1], counts, arrival)

    def room(self, width: int, height: int) -> int:
        """Returns how many images of a canvas make a full batch; at least one."""
        return full_count(self.batch_pixels, width, height)

    def shrink(self, images: int, canvas: tuple[int, int]) -> None:
        """Halves later batches after one of ``images`` canvases of (width, height) pixels did not fit."""
        width, height = padded_sides(*canvas) if self.pads else canvas
        self.batch_pixels = min(self.batch_pixels, max(1, images // 2) * width * height)

    def _side(self, sized: Sequence[_Sized]) -> int | None:
        """Returns the greatest side of a tile for a batch, None for no tiles."""
        if self._rule is None or len(sized) != 1:
            return self.tile
        height, width = sized[0].image.shape[:2]
        return self._rule.side((width, height), (sized[0].width, sized[0].height))

    def _batch(self, sized: Sequence[_Sized]) -> Selected:
        width, height = max(each.width for each in sized), max(each.height for each in sized)
        sizes = [(each.height, each.width) for each in sized]
        if self.pads:
            width, height = padded_sides(width, height)
            sizes += [(0, 0)] * (padded_count(len(sized), self.room(width, height)) - len(sized))
        if all(size == (height, width) for size in sizes):
            extents = None
        elif self.pads:
            extents = self._streams.to_device(torch.tensor(sizes, dtype=torch.int32))
        else:
            raise ValueError(f"images of one batch must have one size on the canvas, got {sorted(set(sizes))}")
        alone = sizes[0] if len(sizes) == 1 and extents is not None else None
        raw = Raw.of(self._engine(self._pixels(sized, len(sizes), width, height), extents, alone))
        inside = None if extents is None else self.detector.grid.inside(height, width, extents)
        return select(self.detector, raw, (height, width), self.max_candidates, inside_BA=inside)

    def _tiled(self, sized: Sequence[_Sized], side: int) -> Selected:
        """Returns the best candidates of one image, tile by tile."""
        if len(sized) != 1:
            raise ValueError(f"only a single image goes in tiles, got {len(sized)}")
        grid = self.detector.grid
        width, height = sized[0].width, sized[0].height
        (pixels,) = self._enlarged(sized)
        parts = []
        for tile in tiles(width, height, side, self.detector.receptive_halo, max(self.detector.strides)):
            x0, y0, x1, y1 = tile.window
            raw = Raw.of(self._engine(pixels[None, y0:y1, x0:x1]))
            index = grid.window_indices(height, width, tile.window, self.device)
            centres = self.detector.anchors(y1 - y0, x1 - x0, self.device)[:, :2]
            core = _within(centres, tile, width, height)[None]
            parts.append(
                select(self.detector, raw, (height, width), self.max_candidates, inside_BA=core, index_A=index)
            )
        return parts[0] if len(parts) == 1 else merge_tiles(parts, self.max_candidates)

    def _pixels(self, sized: Sequence[_Sized], count: int, width: int, height: int) -> Tensor:
        """Returns uint8 [count, height, width, 3] on the device, zero beyond an image."""
        enlarged = self._enlarged(sized)
        if count == 1 and enlarged[0].shape[:2] == (height, width):
            return enlarged[0][None]
        pixels = torch.zeros(count, height, width, 3, dtype=torch.uint8, device=self.device)
        for place, each in zip(pixels, enlarged, strict=False):
            place[: each.shape[0], : each.shape[1]] = each
        return pixels

    def _enlarged(self, sized: Sequence[_Sized]) -> list[Tensor]:
        """Returns uint8 [height, width, 3] of each on the device; the small images are copied there together."""
        if self.device.type == "cpu":
            return [
                torch.from_numpy(np.ascontiguousarray(resize(each.image, each.width, each.height))) for each in sized
            ]
        small = self._streams.all_to_device([torch.from_numpy(np.ascontiguousarray(each.image)) for each in sized])
        return [enlarge_on_device(image, each.width, each.height) for image, each in zip(small, sized, strict=True)]


def enlarge_on_device(pixels: Tensor, width: int, height: int) -> Tensor:
    """Returns uint8 [height, width, 3] of uint8 [H, W, 3], bilinear with pixel centres aligned, on its device.

    The same rule as `pipeline.data.images.resize`; rounding differs by at most one level.
    """
    if pixels.shape[:2] == (height, width):
        return pixels
    planes = pixels.permute(2, 0, 1)[None].float()
    enlarged = functional.interpolate(planes, size=(height, width), mode="bilinear", align_corners=False)
    return enlarged[0].round_().permute(1, 2, 0).to(torch.uint8)


def _on_canvas(image: Image, canvas: Sizing) -> _Sized:
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"image must be uint8 [H, W, 3], got {image.dtype} {list(image.shape)}")
    return _Sized(image, *canvas.size(image.shape[1], image.shape[0]))


def _within(points_A2: Tensor, tile: Tile, width: int, height: int) -> Tensor:
    """Returns bool [A], whether a point of the tile's window is in its core: x0 <= x < x1, y0 <= y < y1."""
    x, y = points_A2[:, 0] + tile.window[0], points_A2[:, 1] + tile.window[1]
    x0, y0, x1, y1 = tile.core
    # The last cells of a level may be centred beyond the canvas; they belong to the core at that edge.
    right = x1 if x1 < width else torch.inf
    bottom = y1 if y1 < height else torch.inf
    return (x >= x0) & (x < right) & (y >= y0) & (y < bottom)
