"""The worker of a dump: items in batches through a predictor, rows in the order of the items."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence

from pipeline.data.image_reader import Decoded
from pipeline.data.images import Image
from pipeline.data.records import Detections
from pipeline.engine.measures import timed
from pipeline.engine.stage import Item, Row
from pipeline.inference.batches import Found, launch_within_memory, plan_batches
from pipeline.inference.own_error import error_text
from pipeline.inference.predictor import Predictor, Sizing

Images = Callable[[Sequence[Item]], Iterator[Decoded]]
_Batch = list[Decoded]


class BatchWorker:
    """Items to rows; on a GPU the next batch is launched before the last one is waited for."""

    def __init__(self, predictor: Predictor, canvas: Sizing, images: Images) -> None:
        """Args: detector; size at which it sees images; reader, see `ImageReader.ahead`."""
        self._predictor, self._canvas, self._images = predictor, canvas, images
        self._ahead = 1 if predictor.device.type == "cuda" else 0

    def __call__(self, items: Sequence[Item]) -> Iterator[Row]:
        """Yields one row per item, in their order; a row is held until those before it are there."""
        done: dict[str, Row] = {}
        rows = self._rows(items)
        for item in items:
            while item.key not in done:
                row = next(rows)
                done[str(row["image_id"])] = row
            yield done.pop(item.key)

    def _rows(self, items: Sequence[Item]) -> Iterator[Row]:
        """Yields the rows batch by batch."""
        sizes = [(int(item.data.get("width", 0)), int(item.data.get("height", 0))) for item in items]
        batches = plan_batches(sizes, self._predictor, self._canvas)
        decoded = self._images([items[number] for batch in batches for number in batch])
        working: deque[tuple[_Batch, Callable[[], list[Found]]]] = deque()
        for numbers in batches:
            working.append(self._launch([next(decoded) for _ in numbers]))
            while len(working) > self._ahead:
                yield from _rows_of(*working.popleft())
        while working:
            yield from _rows_of(*working.popleft())

    def _launch(self, batch: _Batch) -> tuple[_Batch, Callable[[], list[Found]]]:
        """Returns a batch at work. A function of its own: no variable holds an image while the next one is decoded."""
        good = [image for _, image, _ in batch if image is not None]
        with timed("network"):
            return batch, launch_within_memory(self._predictor, good, self._canvas) if good else list


def detections_row(item: Item, image: Image, found: Found) -> Row:
    """Returns an image's row: its candidates, or the error that it has instead."""
    height, width = image.shape[:2]
    if not isinstance(found, Exception):
        try:
            return Detections(item.key, width, height, found.boxes, found.scores, found.landmarks).to_row()
        except ValueError as problem:
            found = problem
    return Detections(item.key, width, height, error=error_text(found)).to_row()


def error_row_of(item: Item, error: str | None) -> Row:
    """Returns the row of an item that is no image."""
    return Detections(item.key, 0, 0, error=error).to_row()


def _rows_of(batch: _Batch, wait: Callable[[], list[Found]]) -> Iterator[Row]:
    with timed("device_wait"):
        found = iter(wait())
    for item, image, error in batch:
        yield error_row_of(item, error) if image is None else detections_row(item, image, next(found))
