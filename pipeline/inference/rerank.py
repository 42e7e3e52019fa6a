"""One image and its candidates through a ranker: the same boxes, refined scores, in the refined order."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.data.canvas import Canvas
from pipeline.data.records import ScoredBoxes
from pipeline.engine.measures import timed
from pipeline.inference.engines import open_engine
from pipeline.inference.padded_canvas import padded_sides
from pipeline.inference.predictor import enlarge_on_device
from pipeline.inference.score_format import ScoreFormat, format_scores
from pipeline.inference.streams import Streams
from pipeline.models.fuse import for_inference
from pipeline.models.rankers.preprocessing import fill_of
from pipeline.models.rankers.ranker import Ranker, RankerMaps


class Reranker:
    """A ranker made ready to be applied to images one at a time.

    Suppression is left to the caller: scores that a format makes equal keep the order they had before, and
    `pipeline.boxes.suppression.nms` takes equal scores by their rows.

    On a CPU the peak of a pass, beside about 0.75 GB of libraries and weights, is about 60 bytes per pixel of what the
    ranker sees with the small ones: 2 GB more at 7680 x 5235. With ResNet-50 it is 200 a pixel and 0.3 GB more of
    weights.
    """

    def __init__(
        self,
        ranker: Ranker,
        device: torch.device | str = "cpu",
        *,
        canvas: Canvas | None = None,
        top: int | None = None,
        score_format: ScoreFormat = "sum",
        dtype: torch.dtype = torch.float32,
        engine: str = "torch",
        pads: bool | None = None,
    ) -> None:
        """Prepares a copy of the ranker; the one given stays as it is.

        Args:
            ranker: trained.
            device: where images are resized and the network runs.
            canvas: size at which the ranker sees the image; None: that of its own preprocessing, the size of its
                training where that was of whole images, else the image's own. Tables hold shares of the image, so
                candidates of any canvas go with any size.
            top: most candidates; the table's rows if None or more than those.
            score_format: of the sums of score and correction; see `format_scores` for what each costs.
            dtype: of the arithmetic of the image part; the rest is in float32.
            engine: entry of `pipeline.inference.engines.ENGINES` that runs the image part.
            pads: images of any size are laid on one of few canvases, which changes no map of theirs; None: on a GPU,
                where each new size costs a second, and unless the preprocessing has one size for all.

        Raises ValueError: ``top`` is under one, or the engine is missing.
        """
        if top is not None and top < 1:
            raise ValueError(f"top must be at least 1, got {top}")
        self.device = torch.device(device)
        self.preprocessing = ranker.preprocessing if canvas is None else replace(ranker.preprocessing, canvas=canvas)
        self.ranker = for_inference(ranker).to(self.device)
        pads = False if self.preprocessing.square and self.preprocessing.canvas.long_edge is not None else pads
        self._engine = open_engine(engine, RankerMaps(ranker), ranker.normalisation, self.device, dtype, pads)
        self._streams = Streams(self.device)
        self.fill = ranker.normalisation.mean_bgr
        self._fill = torch.from_numpy(fill_of(self.fill)).to(self.device)
        self.top = ranker.num_candidates if top is None else min(top, ranker.num_candidates)
        self.score_format = score_format

    @torch.inference_mode()
    def __call__(self, image_bgr: NDArray[np.uint8], candidates: ScoredBoxes) -> ScoredBoxes:
        """Returns the best ``top`` candidates of uint8 [H, W, 3] BGR by refined score, equal ones in the given order.

        They are given before suppression, in pixels of the image, best first.

        Raises:
            ValueError: not such an image, candidates that are not finite or not sorted, or an answer that is no number.
        """
        if image_bgr.ndim != 3 or image_bgr.shape[2] != 3 or image_bgr.dtype != np.uint8:
            raise ValueError(f"image must be uint8 [H, W, 3], got {image_bgr.dtype} {list(image_bgr.shape)}")
        height, width = image_bgr.shape[:2]
        best = candidates.take(slice(self.top))
        table, valid = self.preprocessing.table(best.boxes, best.scores, width, height, self.ranker.num_candidates)
        if not valid:
            return best
        refined = best.scores + self._residual(self._pixels(image_bgr), table, valid)
        order = np.argsort(-refined, kind="stable")
        chosen = best.take(order)
        return ScoredBoxes(chosen.boxes, format_scores(refined[order], self.score_format), chosen.landmarks)

    @torch.inference_mode()
    def first_pass(self) -> None:
        """Runs once on a small black image: a first pass is slow, and may show damage.

        Raises ValueError: the answer is no number.
        """
        pixels = torch.zeros(256, 256, 3, dtype=torch.uint8, device=self.device)
        boxes, scores = np.array([[64, 64, 128, 128]] * 2, np.float32), np.ones(2, np.float32)
        self._residual(pixels, *self.preprocessing.table(boxes, scores, 256, 256, self.ranker.num_candidates))

    def _residual(self, pixels: Tensor, table: NDArray[np.float32], valid: int) -> NDArray[np.float32]:
        """Returns float32 [valid], the corrections of the table's candidates."""
        maps = [each.float() for each in self._maps(pixels)]
        tables, count = (
            self._streams.to_device(torch.from_numpy(table)[None]),
            self._streams.to_device(torch.tensor([valid])),
        )
        answer = self.ranker.residual(maps, (pixels.shape[0], pixels.shape[1]), tables, count)
        with timed("device_wait"):
            residual: NDArray[np.float32] = answer[0, :valid].cpu().numpy()  # waits for the device, once
        if not np.isfinite(residual).all():
            raise ValueError("the ranker answered with NaN or infinity: weights or input are damaged")
        return residual

    def _maps(self, pixels: Tensor) -> list[Tensor]:
        """Returns the maps of the image part for uint8 [h, w, 3], without padding."""
        height, width = pixels.shape[:2]
        across, down = padded_sides(width, height)
        if not self._engine.pads or (across, down) == (width, height):
            return list(self._engine(pixels[None]))
        canvas = torch.zeros(1, down, across, 3, dtype=torch.uint8, device=self.device)
        canvas[0, :height, :width] = pixels
        sizes = self._streams.to_device(torch.tensor([[height, width]], dtype=torch.int32))
        found = self._engine(canvas, sizes, (height, width))
        # A map's stride divides the canvas; alone the image has as many cells as its pixels begin.
        cells = [(-(-height // (down // each.shape[2])), -(-width // (across // each.shape[3]))) for each in found]
        return [each[:, :, :rows, :columns] for each, (rows, columns) in zip(found, cells, strict=True)]

    def _pixels(self, image: NDArray[np.uint8]) -> Tensor:
        """Returns uint8 [h, w, 3] on the device, the pixels of `Preprocessing.pixels`."""
        if self.device.type == "cpu":
            return torch.from_numpy(np.ascontiguousarray(self.preprocessing.pixels(image, self.fill)))
        return self._enlarged(self._streams.to_device(torch.from_numpy(np.ascontiguousarray(image))))

    def _enlarged(self, image: Tensor) -> Tensor:
        """Returns the same for an image on the device, a grey level apart at most: only the small image is copied."""
        height, width = image.shape[:2]
        seen = enlarge_on_device(image, *self.preprocessing.canvas.size(width, height))
        across, down = self.preprocessing.size(width, height)
        if seen.shape[:2] == (down, across):
            return seen
        padded = self._fill.to(image.device).expand(down, across, 3).clone()
        padded[: seen.shape[0], : seen.shape[1]] = seen
        return padded
