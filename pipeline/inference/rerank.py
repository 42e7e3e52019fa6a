"""One image and its candidates through a ranker: the same boxes, refined scores, in the refined order."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.boxes.box_table import box_table
from pipeline.data.canvas import ORIGINAL, Canvas
from pipeline.data.images import resize
from pipeline.inference.candidates import Candidates
from pipeline.inference.predictor import enlarge_on_device
from pipeline.models.optimise import for_inference
from pipeline.models.rankers.ranker import Ranker


class Reranker:
    """A ranker made ready to be applied to images one at a time.

    Suppression is left to whoever asks: equal scores, as clipping makes them, lie in the order of what they were before
    it, and `pipeline.boxes.suppression.nms` takes equal scores by their rows.

    On a CPU a pass takes at its peak, beside some 0.75 GB of libraries and weights, about 60 bytes per pixel of the
    image with the small rankers: 2 GB more at 7680 x 5235. With ResNet-50 it is 200 a pixel and 0.3 GB more of weights.
    """

    def __init__(
        self,
        ranker: Ranker,
        device: torch.device | str = "cpu",
        *,
        canvas: Canvas = ORIGINAL,
        top: int | None = None,
        clip: bool = True,
    ) -> None:
        """Prepares a copy of the ranker; the one given stays as it is.

        Args:
            ranker: trained.
            device: where images are resized and the network runs.
            canvas: the size at which the ranker sees the image. Tables hold parts of the image, so that candidates of
                any canvas go with any size.
            top: most candidates; the table's rows if None or more than those.
            clip: give scores in 0..1, as the paper does; False gives the plain sum of score and correction.

        Raises:
            ValueError: ``top`` is under one.
        """
        if top is not None and top < 1:
            raise ValueError(f"top must be at least 1, got {top}")
        self.device = torch.device(device)
        self.ranker = for_inference(ranker).to(self.device)
        self.canvas = canvas
        self.top = ranker.rows if top is None else min(top, ranker.rows)
        self.clip = clip

    @torch.inference_mode()
    def __call__(self, image_bgr: NDArray[np.uint8], candidates: Candidates) -> Candidates:
        """Returns the best ``top`` candidates by refined score, best first, equal ones in the detector's order.

        Args:
            image_bgr: uint8 [H, W, 3], BGR.
            candidates: before suppression, in pixels of the image, best first.

        Raises:
            ValueError: not such an image, candidates that are not finite or not sorted, or an answer that is no number.
        """
        if image_bgr.ndim != 3 or image_bgr.shape[2] != 3 or image_bgr.dtype != np.uint8:
            raise ValueError(f"image must be uint8 [H, W, 3], got {image_bgr.dtype} {list(image_bgr.shape)}")
        height, width = image_bgr.shape[:2]
        best = candidates.take(slice(self.top))
        table, valid = box_table(best.boxes, best.scores, width, height, self.ranker.rows)
        if not valid:
            return best
        refined = best.scores + self._residual(self._resized(image_bgr), table, valid)
        order = np.argsort(-refined, kind="stable")
        scores = refined.clip(0, 1) if self.clip else refined
        chosen = best.take(order)
        return Candidates(chosen.boxes, scores[order], chosen.landmarks)

    @torch.inference_mode()
    def first_pass(self) -> None:
        """Runs once on a small black image, whatever size is asked for: a first pass is slow, and may show damage.

        Raises:
            ValueError: the answer is no number.
        """
        pixels = torch.zeros(256, 256, 3, dtype=torch.uint8, device=self.device)
        boxes, scores = np.array([[64, 64, 128, 128]] * 2, np.float32), np.ones(2, np.float32)
        self._residual(pixels, *box_table(boxes, scores, 256, 256, self.ranker.rows))

    def _residual(self, pixels: Tensor, table: NDArray[np.float32], valid: int) -> NDArray[np.float32]:
        """Returns float32 [valid], the corrections of the table's candidates."""
        images = self.ranker.normalisation(pixels).permute(2, 0, 1)[None]
        tables = torch.from_numpy(table)[None].to(self.device)
        answer: Tensor = self.ranker(images, tables, torch.tensor([valid], device=self.device))
        residual: NDArray[np.float32] = answer[0, :valid].cpu().numpy()
        if not np.isfinite(residual).all():
            raise ValueError("the ranker answered with NaN or infinity: weights or input are damaged")
        return residual

    def _resized(self, image: NDArray[np.uint8]) -> Tensor:
        """Returns uint8 [H, W, 3] on the device, at the size the ranker sees; the small image is what travels there."""
        width, height = self.canvas.size(image.shape[1], image.shape[0])
        if self.device.type == "cpu":
            return torch.from_numpy(np.ascontiguousarray(resize(image, width, height)))
        return enlarge_on_device(torch.from_numpy(np.ascontiguousarray(image)).to(self.device), width, height)
