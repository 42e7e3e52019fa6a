"""Predictions of the images that are wanted, from names as the source writes them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pipeline.data.datasets.labels.image_files import Sizes
from pipeline.data.image_names import NameIndex
from pipeline.data.prediction_format import ImageInfo, require_format
from pipeline.data.prediction_names import NameMatch
from pipeline.data.predictions.form import PredictionForm, ReadOptions
from pipeline.data.predictions.forms import FORMS, predictions_of_form, recognise
from pipeline.data.predictions.sizes import sizes_in_folder
from pipeline.data.predictions.table import PredictionTable, widths_of

_SIZES_ADVICE: Final = "; --image-folder names the folder of the images"


@dataclass(frozen=True, slots=True)
class FoundPredictions:
    """Predictions at a path, as they are there.

    Attributes:
        path: of the file or folder.
        form: of `FORMS`.
        table: the predictions.
    """

    path: Path
    form: PredictionForm
    table: PredictionTable

    def of_images(
        self, image_ids: Sequence[str], known: Collection[str] = (), sizes: Sizes | None = None
    ) -> MatchedPredictions:
        """Returns the predictions of exactly these images, in this order, in pixels.

        Args:
            image_ids: wanted images; names are compared as by `NameIndex`.
            known: images that exist and are not wanted.
            sizes: of images, asked where boxes are shares of their sides.

        Raises ValueError: a name may be several images, or two names are one image's, no name is of an image, or sizes
        are unknown; the message gives the path, expected and found.
        """
        own, extra = self._places(NameIndex([*image_ids, *known]))
        missing = tuple(image_id for image_id in image_ids if image_id not in own)
        # Where images without detections are not named, their absence is no mistake.
        if self.form.names_empty or (len(missing) == len(image_ids) and extra):
            NameMatch(image_ids, missing, extra, suffix="").require(self.path)
        places = [own.get(image_id, -1) for image_id in image_ids]
        measured = sizes(image_ids) if sizes is not None and self.table.relative else None
        try:
            table = self.table.take(places, image_ids, measured).in_pixels(_SIZES_ADVICE)
        except ValueError as error:
            raise ValueError(f"{self.path}: {error}") from None
        renamed = {self.table.names[place]: image_id for image_id, place in own.items()}
        wanted = set(image_ids)
        errors = {renamed[name]: why for name, why in self.table.errors.items() if renamed.get(name) in wanted}
        unreadable = frozenset(renamed[name] for name in self.table.unreadable if renamed.get(name) in wanted)
        positions = table.positions if self.form.one_sequence else np.arange(len(table.scores))
        table = replace(table, positions=positions, errors=errors, unreadable=unreadable)
        return MatchedPredictions(self.path, self.form, table, missing if self.form.names_empty else (), tuple(extra))

    def _places(self, index: NameIndex) -> tuple[dict[str, int], list[str]]:
        """Returns image -> its place in the table, and the names of no image."""
        own: dict[str, int] = {}
        extra = []
        for place, name in enumerate(self.table.names):
            try:
                image_id = index.find(name)
            except ValueError as error:
                raise ValueError(f"{self.path}: {error}") from None
            if image_id is None:
                extra.append(name)
            elif own.setdefault(image_id, place) != place:
                first = self.table.names[own[image_id]]
                raise ValueError(f"{self.path}: {first} and {name} are both detections of {image_id}")
        return own, extra


@dataclass(frozen=True, slots=True)
class MatchedPredictions:
    """Predictions of wanted images, in their order, and how names matched.

    Attributes:
        path: of the predictions.
        form: of `FORMS`.
        table: in pixels.
        missing: wanted images that a form which names every image does not name.
        extra: names that belong to no image; their rows are left out.
    """

    path: Path
    form: PredictionForm
    table: PredictionTable
    missing: tuple[str, ...]
    extra: tuple[str, ...]

    def problems(self) -> dict[str, list[str]]:
        """Returns name -> lines of what is to be said, only those that occurred."""
        counts = np.diff(self.table.offsets).tolist()
        empty = [name for name, count in zip(self.table.names, counts, strict=True) if not count]
        found = {
            "missing": list(self.missing),
            "without a box": [] if self.form.names_empty else empty,
            "extra": list(self.extra),
            "errors": [f"{image_id}: {reason}" for image_id, reason in self.table.errors.items()],
            "predictions": list(self.table.remarks),
        }
        return {name: lines for name, lines in found.items() if lines}

    def require_format(self, faces: Sequence[NDArray[np.float64]]) -> None:
        """Raises ValueError where boxes are evidently of another format than that of the form, see `require_format`.

        Args:
            faces: float64 [F, 4] xyxy of each image.
        """
        require_format(self.path, self._layout(), self._as_written(faces))

    def _layout(self) -> str:
        return "x y w h" if self.form.layout == "x y w h" else "x1 y1 x2 y2"

    def _as_written(self, faces: Sequence[NDArray[np.float64]]) -> Iterator[tuple[NDArray[np.float64], ImageInfo]]:
        turned = widths_of if self._layout() == "x y w h" else (lambda boxes: boxes)
        for (_, boxes, scores), each, size in zip(self.table.by_image(), faces, self.table.sizes.tolist(), strict=True):
            yield np.c_[turned(boxes), scores], ImageInfo(each, (size[0], size[1]) if all(size) else None)


@dataclass(frozen=True, slots=True)
class GivenPredictions:
    """How a user may say what is at a path of predictions.

    Attributes:
        form: one of `FORMS`; None recognises it.
        category: class or category of the detections that are faces; None where all have one.
        image_folder: of the images, for their sizes; None takes those of the labels.
    """

    form: str | None = None
    category: str | None = None
    image_folder: Path | None = None

    def sizes(self, by_labels: Sizes | None) -> Sizes | None:
        """Returns what gives the sizes of images: the folder, or else the labels, or nothing."""
        folder = self.image_folder
        return by_labels if folder is None else lambda names: sizes_in_folder(folder, names)


PLAIN: Final = GivenPredictions()
"""Nothing is known but the path."""


def find_predictions(
    path: Path, given: GivenPredictions = PLAIN, ids: Mapping[int | str, str] | None = None
) -> FoundPredictions:
    """Returns the predictions at a path.

    Args:
        path: file, folder or archive.
        given: what a user says about them.
        ids: COCO's id of an image -> its name.

    Raises FileNotFoundError: nothing is there; ValueError: it is of no form or malformed, or a class is chosen that the
    form does not have; the message gives file, place, expected and found.
    """
    path = path.expanduser()
    name, at = recognise(path) if given.form is None else (given.form, predictions_of_form(path, given.form))
    form = FORMS.find(name)
    if given.category is not None and not form.has_classes:
        raise ValueError(f"{at}: --class {given.category}: expected detections with a class, found {form.words}")
    return FoundPredictions(at, form, form.read(at, ReadOptions(ids or {}, given.category)))
