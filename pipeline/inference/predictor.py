"""One image through one detector: enlarged to its canvas, whole or in tiles, to the best candidates before suppression.

Enlarging happens here, next to the network: only the small original enters and only the candidates leave.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pipeline.boxes.suppression import top_candidates
from pipeline.data.canvas import Tile, tiles
from pipeline.data.images import resize
from pipeline.inference.candidates import Candidates
from pipeline.models.detectors.detector import Detector, Raw
from pipeline.models.optimise import for_inference

Image = NDArray[np.uint8]
Float32 = NDArray[np.float32]


class Sizing(Protocol):
    """A rule for the size at which the detector sees an image: a `Canvas`, or one of `pipeline.inference.test_time`."""

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Returns (width, height) in whole pixels for an original of that size."""


@dataclass(frozen=True, slots=True)
class _Part:
    """The best candidates of one tile in canvas pixels, on the device; ``anchors_K`` are indices on the canvas."""

    anchors_K: Tensor
    scores_K: Tensor
    boxes_K4: Tensor
    landmarks_KP2: Tensor | None


class Predictor:
    """A detector made ready to be applied to images one at a time."""

    def __init__(
        self,
        detector: Detector,
        device: torch.device | str = "cpu",
        *,
        top: int = 5000,
        tile: int | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Prepares a copy of the detector; the one given stays as it is.

        Args:
            detector: trained.
            device: where images are enlarged and the network runs.
            top: most candidates per image.
            tile: greatest side of a tile in canvas pixels, None for the whole canvas at once. Tiles overlap by the
                detector's receptive halo, so that the candidates are those of the whole canvas.
            dtype: of the network's arithmetic; scores and boxes are float32 whatever it is.

        Raises:
            ValueError: ``top`` is under one, or the tile leaves no room between its halos.
        """
        if top < 1:
            raise ValueError(f"top must be at least 1, got {top}")
        smallest = 2 * detector.receptive_halo + max(detector.strides)
        if tile is not None and tile < smallest:
            raise ValueError(f"tile of {tile} px is too small for this detector: at least {smallest} px")
        self.device = torch.device(device)
        self.detector = for_inference(detector).to(device=self.device, dtype=dtype)
        self.top = top
        self.tile = tile
        self.dtype = dtype

    @torch.inference_mode()
    def candidates(self, image_bgr: Image, canvas: Sizing) -> Candidates:
        """Returns the best ``top`` candidates before suppression, without a score cut.

        Args:
            image_bgr: uint8 [H, W, 3], BGR.
            canvas: size at which the detector sees it.

        Returns:
            boxes and landmarks in pixels of ``image_bgr``; equal scores in the order of the canvas's anchors.

        Raises:
            ValueError: not such an image, or the network answered with NaN or infinity.
        """
        if image_bgr.ndim != 3 or image_bgr.shape[2] != 3 or image_bgr.dtype != np.uint8:
            raise ValueError(f"image must be uint8 [H, W, 3], got {image_bgr.dtype} {list(image_bgr.shape)}")
        height, width = image_bgr.shape[:2]
        canvas_width, canvas_height = canvas.size(width, height)
        pixels = self._enlarge(image_bgr, canvas_width, canvas_height)
        parts = [self._part(pixels, tile) for tile in self._tiles(canvas_width, canvas_height)]
        best = parts[0] if len(parts) == 1 else _best(parts, self.top)
        marks = best.landmarks_KP2
        return Candidates(
            boxes=_scaled(best.boxes_K4, width / canvas_width, height / canvas_height),
            scores=best.scores_K.cpu().numpy(),
            landmarks=None if marks is None else _scaled(marks, width / canvas_width, height / canvas_height),
        )

    def _tiles(self, width: int, height: int) -> list[Tile]:
        if self.tile is None:
            whole = (0, 0, width, height)
            return [Tile(window=whole, core=whole)]
        return tiles(width, height, self.tile, self.detector.receptive_halo, max(self.detector.strides))

    def _enlarge(self, image: Image, width: int, height: int) -> Tensor:
        """Returns uint8 [height, width, 3] on the device; the small image is what travels there."""
        if self.device.type == "cpu":
            return torch.from_numpy(np.ascontiguousarray(resize(image, width, height)))
        return enlarge_on_device(torch.from_numpy(np.ascontiguousarray(image)).to(self.device), width, height)

    def _part(self, pixels: Tensor, tile: Tile) -> _Part:
        """Returns the best candidates whose anchors are centred in the tile's core."""
        height, width = pixels.shape[:2]
        x0, y0, x1, y1 = tile.window
        raw = self._answer(pixels[y0:y1, x0:x1])
        scores = self.detector.scores(raw.logits)[0]
        anchors = self.detector.anchors(height, width, self.device)
        if tile.window == (0, 0, width, height):
            chosen = top_candidates(scores, self.top)
            index = chosen
        else:
            index = self.detector.grid.window_indices(height, width, tile.window, self.device)
            inside = torch.nonzero(_within(anchors[index, :2], tile.core, width, height)).squeeze(1)
            chosen = inside[top_candidates(scores[inside], self.top)]
            index = index[chosen]
        marks = None if raw.landmarks is None else raw.landmarks[:, chosen]
        boxes, landmarks = self.detector.decode(Raw(raw.boxes[:, chosen], raw.logits[:, chosen], marks), anchors[index])
        _require_finite("boxes", boxes)
        if landmarks is not None:
            _require_finite("landmarks", landmarks)
        return _Part(index, scores[chosen], boxes[0], None if landmarks is None else landmarks[0])

    def _answer(self, window: Tensor) -> Raw:
        """Returns the network's answer for uint8 [h, w, 3]; the normalised copy dies with this frame."""
        images = self.detector.normalisation(window).permute(2, 0, 1)[None]
        raw: Raw = self.detector(images.to(self.dtype))
        _require_finite("logits", raw.logits)
        return raw


def enlarge_on_device(pixels: Tensor, width: int, height: int) -> Tensor:
    """Returns uint8 [height, width, 3] of uint8 [H, W, 3], bilinear with pixel centres aligned, where the tensor lies.

    The same rule as `pipeline.data.images.resize`; rounding differs by at most one level.
    """
    if pixels.shape[:2] == (height, width):
        return pixels
    planes = pixels.permute(2, 0, 1)[None].float()
    enlarged = functional.interpolate(planes, size=(height, width), mode="bilinear", align_corners=False)
    return enlarged[0].round_().permute(1, 2, 0).to(torch.uint8)


def _scaled(points: Tensor, fx: float, fy: float) -> Float32:
    """Returns float32 [..., 2k], x and y in turn, each multiplied by its factor in float64."""
    factors = np.tile(np.array([fx, fy]), points.shape[-1] // 2)
    scaled: Float32 = (points.cpu().numpy() * factors).astype(np.float32)
    return scaled


def _within(points_A2: Tensor, core: tuple[int, int, int, int], width: int, height: int) -> Tensor:
    """Returns bool [A], whether a point lies in the core: x0 <= x < x1, y0 <= y < y1."""
    x, y = points_A2.unbind(1)
    # The last cells of a level may be centred beyond the canvas; they belong to the core at that edge.
    right = core[2] if core[2] < width else torch.inf
    bottom = core[3] if core[3] < height else torch.inf
    return (x >= core[0]) & (x < right) & (y >= core[1]) & (y < bottom)


def _best(parts: list[_Part], top: int) -> _Part:
    """Returns the best of all tiles, equal scores in the order of the canvas's anchors, as the whole canvas gives."""
    anchors = torch.cat([part.anchors_K for part in parts])
    by_anchor = torch.argsort(anchors)
    scores = torch.cat([part.scores_K for part in parts])
    order = by_anchor[top_candidates(scores[by_anchor], top)]
    marks = [part.landmarks_KP2 for part in parts if part.landmarks_KP2 is not None]
    return _Part(
        anchors[order],
        scores[order],
        torch.cat([part.boxes_K4 for part in parts])[order],
        torch.cat(marks)[order] if marks else None,
    )


def _require_finite(name: str, values: Tensor) -> None:
    # One NaN or infinity spoils the sum; an 8K answer is not worth a mask of its own size.
    if not torch.isfinite(values.sum(dtype=torch.float64)):
        raise ValueError(f"the network answered with NaN or infinity in its {name}: weights or input are damaged")
