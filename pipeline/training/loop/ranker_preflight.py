"""Whether there is any order to be learnt from a join at all; found out before a training starts."""

from __future__ import annotations

from pipeline.data.labelled_candidates import LabelledCandidateReader
from pipeline.training.recipes.ranker import RankerRecipe


def require_rankable(rankings: LabelledCandidateReader, recipe: RankerRecipe) -> None:
    """Returns at the first image in which two boxes of one detector have truths that differ.

    Rows are read one by one, all of them only where there is nothing to be found.

    Args:
        rankings: rows of a join that hold no error.
        recipe: says which overlaps count at all.

    Raises:
        ValueError: there is no such image: no row, no box, or the same truth everywhere, as tables of zeros have.
    """
    boxes = 0
    for number in range(len(rankings)):
        ranking = rankings[number]
        for place in range(len(ranking.valid)):
            truths = recipe.truths(ranking.of_detector(place)[2])
            if len(truths) and truths.max() > truths.min():
                return
        boxes += sum(ranking.valid)
    found = f"{len(rankings)} readable images with {boxes} boxes"
    least = f", overlaps below {recipe.iou_floor:g} counted as none" if recipe.iou_floor else ""
    why = f"none lies on a face better than another{least}" if boxes else "there is nothing to put in order"
    raise ValueError(f"{found}: {why}; nothing to train on (are the dumps and the labels of these images?)")
