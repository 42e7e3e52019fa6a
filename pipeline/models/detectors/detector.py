"""What every detector is: normalised images in, raw numbers per anchor out, and how to read them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pipeline.boxes.anchors import AnchorGrid
from pipeline.boxes.coder import BoxCoder
from pipeline.boxes.frame import MOGFACE, RETINAFACE, Convention
from pipeline.models.detectors.spec import Decides, DetectorSpec


@dataclass(frozen=True, slots=True)
class Normalisation:
    """How pixels become a network's input: ``(pixel - mean) * scale``.

    Attributes:
        mean_bgr: subtracted from blue, green, red, in 0..255.
        scale: multiplied afterwards: one number, or one each for blue, green, red.
        rgb: the network wants red first.
    """

    mean_bgr: tuple[float, float, float]
    scale: float | tuple[float, float, float] = 1.0
    rgb: bool = False

    def __call__(self, pixels: Tensor) -> Tensor:
        """Returns float32 [..., H, W, 3] for uint8 or float [..., H, W, 3] in BGR order, always a new tensor."""
        centred = torch.empty(pixels.shape, dtype=torch.float32, device=pixels.device)
        centred.copy_(pixels.flip(-1) if self.rgb else pixels)
        rows = centred.flatten(-2)
        rows.sub_(self._row(self.mean_bgr, pixels))
        if isinstance(self.scale, tuple):
            rows.mul_(self._row(self.scale, pixels))
        elif self.scale != 1:
            rows.mul_(self.scale)
        return centred

    def _row(self, bgr: tuple[float, float, float], pixels: Tensor) -> Tensor:
        # A whole row at a time: subtracting three numbers from every three takes three times as long.
        order = bgr[::-1] if self.rgb else bgr
        # Filled in where it is needed: a GPU would make the host wait for a copy.
        numbers = [torch.full((1,), each, dtype=torch.float32, device=pixels.device) for each in order]
        return torch.cat(numbers).repeat(pixels.shape[-2])


@dataclass(frozen=True, slots=True)
class MemoryNeed:
    """What a forward pass takes on a CPU at its peak, measured in float32 and fitted by a line.

    Attributes:
        fixed: bytes whatever the size of the input, weights included.
        per_pixel: bytes per pixel of the input, which itself is 12 of them.
    """

    fixed: int
    per_pixel: int


@dataclass(frozen=True, slots=True)
class Raw:
    """A detector's answer, before anchors and scores: A anchors in the order of `AnchorGrid`.

    Attributes:
        boxes: float [B, A, 4], deltas.
        logits: float [B, A, C], before sigmoid (C = 1) or softmax (C = 2, face last).
        landmarks: float [B, A, 2 * P], deltas, or None.
        progressive: float [B, A, 1], logits of HCAM's second classifier (MogFace section 3.3), in training or where
            `Detector.all_heads` is set; ``logits`` are then the main classifier's alone. Else None.
        first_shot: answers of the auxiliary head for anchors of half the size on the same cells (DSFD's first shot,
            MogFace's "pyramid anchor"), under the same condition. Else None.
    """

    boxes: Tensor
    logits: Tensor
    landmarks: Tensor | None = None
    progressive: Tensor | None = None
    first_shot: Raw | None = None

    @classmethod
    def of(cls, answers: Sequence[Tensor]) -> Raw:
        """Returns the answer that `RawAnswers` gave as a tuple."""
        boxes, logits, *landmarks = answers
        return cls(boxes, logits, landmarks[0] if landmarks else None)


class Detector(nn.Module, ABC):
    """Base of all detectors.

    Attributes:
        spec: the entry of `DETECTORS` that has built it.
        grid: anchors.
        coder: deltas to boxes.
        normalisation: of the input.
        receptive_halo: pixels of surroundings, a multiple of the largest stride, after which nothing farther away can
            change an answer, or, where that would be too far to be of use, no score by 1e-4. A tile with that halo
            gives the numbers of the whole image.
        memory: what a forward pass takes.
        all_heads: compute also in evaluation mode the heads that only training uses.
        whole_image_statistics: a norm over whole maps makes every answer depend a little on the whole image, however
            far away (GroupNorm in the deep head): tiles then do not equal the whole image, whatever their halo.
    """

    spec: DetectorSpec
    grid: AnchorGrid
    coder: BoxCoder
    normalisation: Normalisation
    receptive_halo: int
    memory: MemoryNeed
    all_heads: bool = False
    whole_image_statistics: bool = False

    @abstractmethod
    def forward(self, images: Tensor) -> Raw:
        """Returns raw deltas and logits of images float32 [B, 3, H, W], already normalised; any H, W >= 1."""

    @property
    def strides(self) -> tuple[int, ...]:
        """Pixels per cell of each level, finest first."""
        return self.grid.strides

    @property
    def convention(self) -> Convention:
        """How the code that it comes from suppresses its boxes; they themselves are continuous."""
        return MOGFACE if self.coder.pixel_inclusive else RETINAFACE

    def anchors(self, height: int, width: int, device: torch.device | str = "cpu") -> Tensor:
        """Returns float32 [A, 4] ``cx, cy, w, h`` in pixels of an image of that size; shared, do not write into it."""
        return self.grid.centres(height, width, device)

    def scores(self, logits: Tensor) -> Tensor:
        """Returns the probability of a face, float32 [B, A], of logits [B, A, C]."""
        wide = logits.float()
        # The softmax of two numbers is the sigmoid of their difference, at a fraction of the cost.
        return torch.sigmoid(wide[..., 0] if wide.shape[-1] == 1 else wide[..., 1] - wide[..., 0])

    def decide_by(self, decides: Decides) -> None:
        """Sets the score that counts in evaluation, where there are two classifiers; a matter of use, not of training.

        Raises ValueError: there is one only.
        """
        raise ValueError(f"decides is {decides}, but {type(self).__name__} has one classifier only: leave it out")

    def decode(self, raw: Raw, anchors: Tensor) -> tuple[Tensor, Tensor | None]:
        """Returns boxes and landmarks in pixels.

        Args:
            raw: of which all or some anchors are left, [B, K, ...].
            anchors: float32 [K, 4] or [B, K, 4], those of the rows left.

        Returns:
            boxes float32 [B, K, 4] xyxy, not clipped; landmarks float32 [B, K, P, 2] or None.
        """
        boxes = self.coder.decode(raw.boxes.float(), anchors)
        if raw.landmarks is None:
            return boxes, None
        return boxes, self.coder.decode_landmarks(raw.landmarks.float(), anchors)


class RawAnswers(nn.Module):
    """A detector whose answer is a tuple: boxes, logits, and landmarks where there are some."""

    def __init__(self, detector: Detector) -> None:
        """Takes the detector itself."""
        super().__init__()
        self.detector = detector

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Returns those fields of `Raw` for images as `Detector.forward` takes them."""
        raw: Raw = self.detector(images)
        return tuple(each for each in (raw.boxes, raw.logits, raw.landmarks) if each is not None)
