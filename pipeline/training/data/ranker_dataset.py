"""Images and candidates for a ranker's training: one detector sampled, image and boxes augmented alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from pipeline.boxes.box_table import COLUMNS
from pipeline.data.images import decode
from pipeline.data.labelled_candidates import LabelledCandidateReader, LabelledCandidates
from pipeline.models.rankers.preprocessing import RankerInput, trained_preprocessing
from pipeline.training.augment.labelled_image import Float32, LabelledImage, mirror
from pipeline.training.augment.photometric import Distortion, Photometric
from pipeline.training.augment.policy import Policy
from pipeline.training.augment.seeds import generator_for
from pipeline.training.augment.square_crop import SquareCrop
from pipeline.training.data.batch import RankerExample
from pipeline.training.data.cache import SampleCache
from pipeline.training.data.collate import RankerPixelBatch
from pipeline.training.recipes.ranker import RankerRecipe

Int64 = NDArray[np.int64]
Uint8 = NDArray[np.uint8]

ON_A_FACE: Final = 0.5
"""Overlap from which a box counts as one of a face: a square crop holds at least one such box, if there is any."""

CACHED_ROWS: Final = 2**28  # bytes; 700 images with three times 5,000 boxes


@dataclass
class RankerDataset:
    """A `Source` over labelled candidates; decoded images and rows of boxes are cached.

    Seed, epoch and image id decide which detector's boxes are used, all with the same chance, and the augmentation. A
    crop moves and clips boxes and drops those whose centre leaves it or that have no area; what remains keeps its
    order, its scores and its overlaps, which belong to the original image (CRFace, section 4.2, does not say; the
    overlap of boxes and faces that were both clipped is another number). The table then has the best rows of the
    *crop*.

    A crop is an image of its own from then on. Where `recipe.whole` is set, the image is mirrored and its colours are
    changed, and nothing else: all boxes stay, and the network gets exactly what it gets of that image in use.
    `Preprocessing` makes its input in either case.

    Attributes:
        labelled: each image's file and boxes.
        read: path -> compressed bytes; raises OSError or ValueError where it cannot.
        recipe: augmentation, rows of the table, and seed.
        fill: BGR outside the image: the ranker's own mean, zero after normalisation.
    """

    labelled: LabelledCandidateReader
    read: Callable[[str], bytes]
    recipe: RankerRecipe
    fill: tuple[float, float, float]
    _images: SampleCache[NDArray[np.uint8]] = field(default_factory=SampleCache, repr=False)
    _rows: SampleCache[LabelledCandidates] = field(default_factory=lambda: SampleCache(CACHED_ROWS), repr=False)

    def __len__(self) -> int:
        """Returns the number of images."""
        return len(self.labelled)

    def name(self, index: int) -> str:
        """Returns an image's id."""
        return self.labelled.name(index)

    def __call__(self, index: int, epoch: int, side: int) -> RankerExample:
        """Returns one image, `side` pixels wide and high, with its table, see `Source`."""
        row = self._rows.get(index, lambda: self.labelled[index])
        rng = generator_for(self.recipe.seed, epoch, row.image_id)
        boxes, scores, overlaps = row.of_detector(int(rng.integers(len(row.valid))))
        image = self._images.get(index, lambda: self._decoded(row))
        labelled = LabelledImage.of(image, boxes, valid=overlaps >= ON_A_FACE)
        seen, kept = (self._resized if self.recipe.whole else self._crop)(rng, labelled, scores, side)
        truth = np.zeros(self.recipe.num_candidates, np.float32)
        truth[: seen.valid] = self.recipe.truths(overlaps[kept[: seen.valid]])
        return RankerExample(row.image_id, seen.pixels, seen.table, truth, seen.valid)

    def blank(self, index: int, side: int) -> RankerExample:
        """Returns a black image without boxes."""
        table = np.zeros((self.recipe.num_candidates, len(COLUMNS)), np.float32)
        return RankerExample(self.name(index), np.zeros((side, side, 3), np.uint8), table, table[:, 0].copy(), 0)

    def assemble(self, step: int, examples: Sequence[RankerExample], errors: Sequence[str]) -> RankerPixelBatch:
        """Returns the batch of examples, see `RankerPixelBatch.of`."""
        return RankerPixelBatch.of(step, examples, errors)

    def _crop(self, rng: Generator, labelled: LabelledImage, scores: Float32, side: int) -> tuple[RankerInput, Int64]:
        """Returns the network's input of a square of the image, and which of its rows are left."""
        cut = rank_policy(self.recipe, side, self.fill)(rng, labelled)
        image, preprocessing = cut.image.astype(np.uint8, copy=False), trained_preprocessing(False, side)
        return preprocessing.apply(image, cut.boxes, scores[cut.rows], self.recipe.num_candidates, self.fill), cut.rows

    def _resized(
        self, rng: Generator, labelled: LabelledImage, scores: Float32, side: int
    ) -> tuple[RankerInput, Int64]:
        """Returns the network's input of the whole image, and its rows."""
        distortion = Photometric().sample(rng) if self.recipe.colour_jitter else None
        # Before it is put into the square: mirrored afterwards, a high image would be in the other corner.
        flipped = mirror(labelled) if rng.random() < self.recipe.flip_prob else labelled
        preprocessing, image = trained_preprocessing(True, side), flipped.image.astype(np.uint8, copy=False)
        height, width = image.shape[:2]
        pixels = preprocessing.pixels(image, self.fill, None if distortion is None else partial(_distorted, distortion))
        table = preprocessing.table(flipped.boxes, scores, width, height, self.recipe.num_candidates)
        return RankerInput(pixels, *table), flipped.rows

    def _decoded(self, row: LabelledCandidates) -> NDArray[np.uint8]:
        image = decode(self.read(row.path))
        height, width = image.shape[:2]
        if (width, height) != (row.width, row.height):
            raise ValueError(f"{width} x {height} pixels, its boxes are of {row.width} x {row.height}")
        return image


def _distorted(distortion: Distortion, pixels: Uint8) -> Uint8:
    """Returns the pixels with their colours changed, in whole grey levels."""
    return np.rint(distortion.apply(pixels)).clip(0, 255).astype(np.uint8)


def rank_policy(recipe: RankerRecipe, side: int, fill: tuple[float, float, float]) -> Policy:
    """Returns the square crops of a recipe; no box is too small for them.

    Args:
        recipe: names it.
        side: of the result in pixels.
        fill: BGR outside the image.
    """
    return Policy(
        geometry=SquareCrop(recipe.crop_scales),
        side=side,
        photometric=Photometric() if recipe.colour_jitter else None,
        flip_prob=recipe.flip_prob,
        min_face=0,
        fill=fill,
        pixels="uint8",
        colours="cheapest",
    )
