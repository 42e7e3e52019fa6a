"""The best candidates of a batch, selected on the device and copied to the host in one piece."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.boxes.suppression import top_candidates_of_each
from pipeline.data.records import ScoredBoxes
from pipeline.models.detectors.detector import Detector, Raw

_CHECKED = ("logits", "boxes", "landmarks")
_BROKEN = "the network answered with NaN or infinity in its {}: weights or input are damaged"


@dataclass(frozen=True, slots=True)
class Selected:
    """The best candidates of each image of a batch in canvas pixels, on the device."""

    anchors_BK: Tensor  # int64, indices on the canvas
    scores_BK: Tensor  # float32, never rising; below zero where there is no further candidate
    boxes_BK4: Tensor  # float32
    landmarks_BKP: Tensor | None  # float32 [B, K, 2 P], or None
    finite_B3: Tensor  # bool, whether all logits, and boxes and landmarks of the candidates, are finite


def select(
    detector: Detector,
    raw: Raw,
    canvas: tuple[int, int],
    count: int,
    *,
    inside_BA: Tensor | None = None,
    index_A: Tensor | None = None,
) -> Selected:
    """Returns the best candidates of B images; only these are decoded, and no device is waited for.

    Args:
        detector: whose answer ``raw`` is.
        raw: of B images.
        canvas: (height, width) in pixels, whose anchors they are.
        count: most candidates of an image.
        inside_BA: bool, which anchors count; None: all.
        index_A: int64, which of the canvas's anchors they are; None: all, in order.
    """
    scores = torch.nan_to_num(detector.scores(raw.logits))  # a NaN cannot be sorted; `finite_B3` reports it
    if inside_BA is not None:
        scores = torch.where(inside_BA, scores, -1.0)
    chosen = top_candidates_of_each(scores, count)
    index = chosen if index_A is None else index_A[chosen]
    landmarks = None if raw.landmarks is None else _rows(raw.landmarks, chosen)
    anchors = detector.grid.centres_of(index, *canvas)
    # Of the logits nothing is decoded.
    boxes, points = detector.decode(Raw(_rows(raw.boxes, chosen), raw.logits[:, :0], landmarks), anchors)
    flat = None if points is None else points.flatten(2)
    logits = raw.logits
    if inside_BA is not None:  # beyond an image every number is meaningless, NaN too
        logits = torch.where(inside_BA[..., None], logits, 0.0)
        counts = inside_BA.gather(1, chosen)[..., None]
        boxes, flat = torch.where(counts, boxes, 0.0), None if flat is None else torch.where(counts, flat, 0.0)
    checked = [logits, boxes, boxes if flat is None else flat]
    # One NaN or infinity spoils the sum; an 8K answer is not worth a mask of its own size.
    finite = torch.stack([torch.isfinite(each.sum(dim=(1, 2), dtype=torch.float64)) for each in checked], dim=1)
    return Selected(index, scores.gather(1, chosen), boxes, flat, finite)


def merge_tiles(parts: Sequence[Selected], count: int) -> Selected:
    """Returns the ``count`` best of all tiles of one image, equal scores in the order of the canvas's anchors.

    An anchor counts in one tile; in others its score is below zero.
    """
    anchors = torch.cat([part.anchors_BK for part in parts], dim=1)
    by_anchor = torch.argsort(anchors, dim=1)
    scores = torch.cat([part.scores_BK for part in parts], dim=1)
    order = by_anchor.gather(1, top_candidates_of_each(scores.gather(1, by_anchor), count))
    landmarks = [part.landmarks_BKP for part in parts if part.landmarks_BKP is not None]
    return Selected(
        anchors.gather(1, order),
        scores.gather(1, order),
        _rows(torch.cat([part.boxes_BK4 for part in parts], dim=1), order),
        _rows(torch.cat(landmarks, dim=1), order) if landmarks else None,
        torch.stack([part.finite_B3 for part in parts]).all(dim=0),
    )


def pack(chosen: Selected, factors_B2: Tensor) -> Tensor:
    """Returns everything the host needs as one tensor, so that it is copied once.

    Boxes are scaled from canvas to original pixels by factors_B2, float64, of x and y. The result is float32
    [B, 3 + (5 + 2 P) K]: flags, then the boxes as four columns and the scores, as they are written, then landmarks.
    """
    points = [chosen.boxes_BK4] if chosen.landmarks_BKP is None else [chosen.boxes_BK4, chosen.landmarks_BKP]
    scaled = [(each.double() * factors_B2.repeat(1, each.shape[2] // 2)[:, None]).to(torch.float32) for each in points]
    parts = [chosen.finite_B3.to(torch.float32), scaled[0].transpose(1, 2), chosen.scores_BK, *scaled[1:]]
    return torch.cat([each.flatten(1) for each in parts], dim=1)


def unpack(host: Tensor, most: int, counts: Sequence[int]) -> list[ScoredBoxes | ValueError]:
    """Returns the candidates of each image, or an error where the network's answer for it is not finite.

    ``host`` is from `pack` of ``most`` candidates, on the CPU, and is kept by what is returned; ``counts`` are the
    anchors of each image, the most candidates it can have.
    """
    found: list[ScoredBoxes | ValueError] = []
    for numbers, count in zip(host.numpy(), counts, strict=False):  # a batch may be filled up with empty images
        if broken := [name for name, finite in zip(_CHECKED, numbers[:3], strict=True) if not finite]:
            found.append(ValueError(_BROKEN.format(broken[0])))
            continue
        columns, points = numbers[3 : 3 + 5 * most].reshape(5, most)[:, :count], numbers[3 + 5 * most :]
        landmarks = points.reshape(most, -1, 2)[:count] if len(points) else None
        found.append(ScoredBoxes(columns[:4].T, columns[4], landmarks))
    return found


def _rows(values_BAC: Tensor, index_BK: Tensor) -> Tensor:
    """Returns [B, K, C], the chosen rows of each image."""
    if len(values_BAC) == 1:  # a fourth of the time of `gather`
        return values_BAC[0].index_select(0, index_BK[0])[None]
    return values_BAC.gather(1, index_BK[..., None].expand(-1, -1, values_BAC.shape[2]))
