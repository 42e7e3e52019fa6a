"""A detector loaded from its weights, ready for images."""

from __future__ import annotations

from functools import lru_cache
from os import PathLike
from pathlib import Path

from pipeline.api.faces import Faces
from pipeline.api.images import ChannelOrder, ImageSource, read_bgr
from pipeline.data.canvas import parse_canvas
from pipeline.inference.batches import candidates_within_memory
from pipeline.inference.device import choose_device, choose_engine, predictor_of_any_size
from pipeline.inference.postprocess import detections
from pipeline.inference.predictor import Predictor
from pipeline.models.published import weights_file
from pipeline.models.weights import open_detector


class FaceDetector:
    """A detector and the size at which it sees images.

    Attributes:
        name: entry of `pipeline.models.detectors.DETECTORS`.
        predictor: the network on its device.
        canvas: size at which it sees an image.
    """

    def __init__(self, name: str, predictor: Predictor, canvas: str = "original") -> None:
        """Args: name and network; canvas as in `load`."""
        self.name, self.predictor, self.canvas = name, predictor, parse_canvas(canvas)

    def __repr__(self) -> str:
        """Returns name, device and engine."""
        return f"FaceDetector({self.name}, {self.predictor.device}, {self.predictor.engine})"

    def detect(
        self,
        image: ImageSource,
        *,
        score: float = 0.02,
        iou: float = 0.4,
        max_detections: int | None = 750,
        channels: ChannelOrder = "rgb",
    ) -> Faces:
        """Returns the faces of one image after suppression, best first: what `wider8k detect` writes.

        Args:
            image: a path, a Pillow image, or uint8 [H, W, 3].
            score: kept are scores strictly greater. 0.02 keeps what an AP needs; for people 0.5 is usual.
            iou: a box that overlaps a better one by more is dropped.
            max_detections: most faces; None for all.
            channels: order of an array's channels; "bgr" for one of OpenCV.

        Raises OSError, ValueError: see `candidates`; ValueError: a threshold outside 0..1.
        """
        for name, value in (("score", score), ("iou", iou)):
            if not 0 <= value <= 1:
                raise ValueError(f"{name}: expected a number in 0..1, found {value}")
        found = self.candidates(image, channels=channels)
        convention = self.predictor.detector.convention
        return found.with_boxes(
            detections(found.scored, score=score, iou=iou, max_detections=max_detections, convention=convention)
        )

    def candidates(self, image: ImageSource, *, channels: ChannelOrder = "rgb") -> Faces:
        """Returns the best 5,000 boxes of one image before suppression, without a score cut: what a ranker takes.

        Raises OSError: the file cannot be read; ValueError: it is no image, or can never fit into memory at this size.
        """
        pixels = read_bgr(image, channels)
        height, width = pixels.shape[:2]
        found = candidates_within_memory(self.predictor, pixels, self.canvas)
        return Faces(found.boxes, found.scores, found.landmarks, width, height, image, channels)


def load(
    weights: str | PathLike[str],
    *,
    detector: str | None = None,
    device: str = "auto",
    canvas: str = "original",
    engine: str = "torch",
) -> FaceDetector:
    """Returns the detector of a checkpoint.

    Args:
        weights: file of this project (.safetensors) or a published one (.pth).
        detector: entry of `DETECTORS`, needed only where the file does not name it and is not known by its content.
        device: "cpu", "cuda" or "auto": a GPU where there is one.
        canvas: size at which it sees an image: "original", "8k", a long edge such as "4096", or "short-640".
        engine: what runs the network: "torch", "openvino", ... or "auto" for the fastest one installed.

    Raises OSError: the file cannot be read; ValueError: it holds no such detector, or one of the names is unknown.
    """
    parse_canvas(canvas)
    place = choose_device(device)
    chosen = choose_engine(engine, place)
    name, network = open_detector(Path(weights).expanduser(), detector)
    return FaceDetector(name, predictor_of_any_size(network, place, chosen), canvas)


def detect(
    image: ImageSource,
    weights: str | PathLike[str],
    *,
    score: float = 0.02,
    device: str = "auto",
    canvas: str = "original",
    channels: ChannelOrder = "rgb",
) -> Faces:
    """Returns the faces of one image, best first: `load` and `FaceDetector.detect` in one call.

    The network of the last call is kept, so that a loop over images loads it once.

    Args:
        image: a path, a Pillow image, or uint8 [H, W, 3].
        weights: as in `load`.
        score: kept are scores strictly greater.
        device: as in `load`.
        canvas: as in `load`.
        channels: order of an array's channels; "bgr" for one of OpenCV.

    Raises OSError, ValueError: as `load` and `FaceDetector.detect`.
    """
    file = weights_file(Path(weights).expanduser())
    state = file.stat()
    detector = _kept(file.absolute(), (state.st_size, state.st_mtime_ns), device, canvas)
    return detector.detect(image, score=score, channels=channels)


@lru_cache(maxsize=1)
def _kept(file: Path, version: tuple[int, int], device: str, canvas: str) -> FaceDetector:
    return load(file, device=device, canvas=canvas)
