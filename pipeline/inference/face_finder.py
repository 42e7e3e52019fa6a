"""The faces of one image, and of a stream of images, by one detector, one size or mode, and perhaps a ranker."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pipeline.boxes.frame import Convention
from pipeline.data.canvas import Canvas, parse_canvas
from pipeline.data.images import Image
from pipeline.data.records import ScoredBoxes
from pipeline.inference.batches import Found, candidates_within_memory, launch_within_memory, plan_batches
from pipeline.inference.postprocess import detections
from pipeline.inference.predictor import Predictor
from pipeline.inference.rerank import Reranker
from pipeline.inference.test_time import MODES, SINGLE, Mode, detect

K = TypeVar("K")
T = TypeVar("T")

WINDOW_IMAGES = 64  # of a stream that are put into batches together: two of a GPU's, of 1024 x 1024
WINDOW_PIXELS = 2**28  # of these images, 0.8 GB: large photographs make a window of few


@dataclass(frozen=True, slots=True)
class FaceFinder:
    """What is a face in an image: a detector's candidates, perhaps in a ranker's order, cut and suppressed.

    Attributes:
        predictor: the network on its device.
        canvas: size at which it sees an image, as in `parse_canvas`; for the mode "single".
        score: only scores strictly greater are kept.
        mode: entry of `MODES`; another one than "single" has sizes of its own.
        reranker: that re-scores the candidates of a single pass, or None.
    """

    predictor: Predictor
    canvas: str = "original"
    score: float = 0.02
    mode: str = SINGLE
    reranker: Reranker | None = None

    def __post_init__(self) -> None:
        """Raises ValueError: an unknown canvas or mode, or two that exclude each other."""
        parse_canvas(self.canvas)
        MODES.find(self.mode)
        if self.mode != SINGLE and self.canvas != "original":
            raise ValueError(f"mode {self.mode} has sizes of its own: expected no canvas, found {self.canvas}")
        if self.mode != SINGLE and self.reranker is not None:
            raise ValueError(f"a ranker re-scores the candidates of one pass: expected no mode, found {self.mode}")

    def __call__(self, image_bgr: Image) -> ScoredBoxes:
        """Returns the faces of uint8 [H, W, 3] BGR, best first, in its pixels.

        Raises ValueError, RuntimeError: the image has no answer, or can never fit into memory at this size.
        """
        if self.mode == SINGLE:
            return self._faces(image_bgr, candidates_within_memory(self.predictor, image_bgr, self._canvas))
        mode: Mode = MODES.find(self.mode)
        found = detect(self.predictor, image_bgr, mode)
        if mode.fusion is not None:
            return found.take(found.scores > self.score)
        return self._suppressed(found, mode.convention)

    def each(self, images: Iterable[tuple[K, Image]]) -> Iterator[tuple[K, Image, ScoredBoxes | Exception]]:
        """Yields the faces of each image in order, or the error that it has instead of them.

        Where batches gain something, which is on a GPU, images go together as in a dump (`plan_batches`), and the next
        batch is launched before the last one is waited for; elsewhere an image's faces are there before the next image
        is asked for. At most two windows of images are held.
        """
        if self.mode != SINGLE or not self.predictor.pads:
            for key, image in images:
                yield key, image, _or_any_error(lambda: self(image))  # noqa: B023
            return
        working: deque[_Window[K]] = deque()
        for members in _windows(images):
            working.append(self._launched(members, working))
            if len(working) > 1:
                yield from self._answers(working.popleft())
        while working:
            yield from self._answers(working.popleft())

    @property
    def _canvas(self) -> Canvas:
        return parse_canvas(self.canvas)

    def _launched(self, members: list[tuple[K, Image]], working: deque[_Window[K]]) -> _Window[K]:
        """Returns a window whose last batch is at work; the last one of the window before is waited for meanwhile."""
        window = _Window(members)
        sizes = [(image.shape[1], image.shape[0]) for _, image in members]
        for numbers in plan_batches(sizes, self.predictor, self._canvas):
            window.launch(numbers, self._wait(numbers, [members[number][1] for number in numbers]))
            for earlier in working:
                earlier.wait(0)
            window.wait(1)
        return window

    def _wait(self, numbers: Sequence[int], images: Sequence[Image]) -> Callable[[], Sequence[Found]]:
        try:
            return launch_within_memory(self.predictor, images, self._canvas)
        except (ValueError, RuntimeError) as error:  # a broken device: each image says so
            broken: list[Found] = [error for _ in numbers]
            return lambda: broken

    def _answers(self, window: _Window[K]) -> Iterator[tuple[K, Image, ScoredBoxes | Exception]]:
        window.wait(0)
        for number, (key, image) in enumerate(window.members):
            found = window.found[number]
            yield key, image, _or_any_error(lambda: self._faces(image, found))  # noqa: B023

    def _faces(self, image_bgr: Image, found: Found | Exception) -> ScoredBoxes:
        if isinstance(found, Exception):
            raise found
        ranked = self.reranker(image_bgr, found) if self.reranker else found
        return self._suppressed(ranked, self.predictor.detector.convention)

    def _suppressed(self, found: ScoredBoxes, convention: Convention) -> ScoredBoxes:
        return detections(found, score=self.score, convention=convention)


class _Window(Generic[K]):
    """Images that are put into batches together, the batches at work, and what was found by the image's number."""

    def __init__(self, members: list[tuple[K, Image]]) -> None:
        self.members = members
        self.found: dict[int, Found | Exception] = {}
        self._working: deque[tuple[Sequence[int], Callable[[], Sequence[Found]]]] = deque()

    def launch(self, numbers: Sequence[int], wait: Callable[[], Sequence[Found]]) -> None:
        self._working.append((numbers, wait))

    def wait(self, most: int) -> None:
        """Waits until at most so many batches are at work."""
        while len(self._working) > most:
            numbers, wait = self._working.popleft()
            answers = _or_any_error(wait)
            for number in numbers:
                self.found[number] = answers if isinstance(answers, Exception) else answers[numbers.index(number)]


def _or_any_error(action: Callable[[], T]) -> T | Exception:
    """Returns the result of an action or any error of it, a broken device's too: each image of a stream says its own.

    What is asked for here is not stored, as a row of a dump is (`own_error`): the same command asks again.
    """
    try:
        return action()
    except Exception as error:  # networks and libraries have their own kinds of errors
        return error


def _windows(images: Iterable[tuple[K, Image]]) -> Iterator[list[tuple[K, Image]]]:
    """Yields as many images as `WINDOW_IMAGES` and `WINDOW_PIXELS` allow, at least one."""
    window: list[tuple[K, Image]] = []
    pixels = 0
    for key, image in images:
        size = image.shape[0] * image.shape[1]
        if window and (len(window) == WINDOW_IMAGES or pixels + size > WINDOW_PIXELS):
            yield window
            window, pixels = [], 0
        window.append((key, image))
        pixels += size
    if window:
        yield window
