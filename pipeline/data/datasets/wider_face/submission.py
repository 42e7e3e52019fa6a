"""The archive for the server of WIDER FACE's test split: ``<event>/<image>.txt`` with rows ``x y w h score``."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Final

from pipeline.data.image_names import without_ending
from pipeline.data.prediction_set import PredictionSet
from pipeline.data.predictions.listed_rows import image_rows

TEST_IMAGES: Final = 16_097
TEST_EVENTS: Final = 61
_DATE: Final = (1980, 1, 1, 0, 0, 0)  # of every entry: equal detections give equal bytes
_SHOWN: Final = 3


def submission_names(image_ids: Sequence[str], expected: Collection[str] | None = None) -> list[str]:
    """Returns ``<event>/<image>`` of every image, without an ending, after the check that the set is whole.

    Args:
        image_ids: of the detections; the last two parts of a path count.
        expected: the images that there must be, with or without ending; None expects as many as the test split has.

    Raises ValueError: images are missing, unknown or come twice, or have no event; the message says how many and which.
    """
    names = ["/".join(PurePosixPath(without_ending(image_id)).parts[-2:]) for image_id in image_ids]
    if leaving := [name for name in names if ".." in name.split("/")]:
        raise ValueError(f"expected images <event>/<name>, found {_shown(leaving)} with a folder above")
    if odd := [name for name in names if "/" not in name]:
        raise ValueError(f"expected images <event>/<name>, found {_shown(odd)} without an event")
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise ValueError(f"expected each image once, found {_shown(twice)} more than once")
    if expected is None:
        events = len({name.split("/")[0] for name in names})
        if (len(names), events) != (TEST_IMAGES, TEST_EVENTS):
            raise ValueError(
                f"expected the {TEST_IMAGES:,} images in {TEST_EVENTS} events of the test split, found {len(names):,} "
                f"in {events}; --images LIST names the images of another set"
            )
        return names
    wanted = {without_ending(name) for name in expected}
    missing, unknown = sorted(wanted.difference(names)), sorted(set(names) - wanted)
    if missing or unknown:
        lacks = [f"{_shown(missing)} missing"] if missing else []
        more = [f"{_shown(unknown)} unknown"] if unknown else []
        raise ValueError(f"expected {len(wanted):,} images, found {', '.join([*lacks, *more])}")
    return names


def write_submission(predictions: PredictionSet, names: Sequence[str], target: Path | IO[bytes]) -> None:
    """Writes the archive: one text per image, rows by falling score; the numbers of a dump read back as the same.

    Args:
        predictions: detections, boxes xyxy with x2 = x + w.
        names: ``<event>/<image>`` of each image of the predictions, in their order.
        target: the ``.zip``, or where its bytes go.
    """
    texts = dict(zip(names, predictions.falling().by_image(), strict=True))
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(texts):
            _, (boxes, scores) = texts[name]
            entry = zipfile.ZipInfo(f"{name}.txt", _DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, f"{name.split('/')[1]}\n{image_rows(boxes, scores)}")


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"
