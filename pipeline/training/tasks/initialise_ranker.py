"""The ranker a training starts with: random weights of a seed, those of a ranker, or a detector's body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from pipeline.models.checkpoint import FIRST_WEIGHTS, Checkpoint
from pipeline.models.detectors import DETECTORS
from pipeline.models.published_names import rename
from pipeline.models.rankers import RANKERS
from pipeline.models.rankers.ranker import Ranker
from pipeline.models.weights import KeyReport, built, load

_SHARED = ("pyramid.", "context.")  # beside the backbone: taken over where the shapes agree


def initial_ranker(
    name: str, seed: int, model_args: Mapping[str, Any] | None = None, weights: bytes | None = None
) -> Ranker:
    """Returns the ranker to be trained; the process's own random stream is left where it was.

    Args:
        name: entry of `RANKERS`.
        seed: of the random weights.
        model_args: arguments of the ranker's factory.
        weights: a checkpoint of this ranker, to be trained on, or a detector's, see `take_body`; None for random
            weights.

    Raises:
        ValueError: there is no such ranker or switch, or the checkpoint does not fit.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        # Weights that are replaced at once need not be fetched.
        unneeded = {FIRST_WEIGHTS} if weights is not None else set()
        ranker = RANKERS.find(name).build(
            **{switch: value for switch, value in (model_args or {}).items() if switch not in unneeded}
        )
    if weights is None:
        return ranker
    checkpoint = Checkpoint(weights)
    if checkpoint.kind == "ranker":
        checkpoint.ranker(name)
        load(ranker, checkpoint)
    else:
        take_body(ranker, checkpoint)
    return ranker


def take_body(ranker: Ranker, checkpoint: Checkpoint) -> KeyReport:
    """Gives a ranker the backbone of a detector, and of pyramid and context the units of the same shape, in place.

    What is the ranker's own keeps its weights. CRFace's pyramid reads the box branch too, so that of it only the units
    that merge levels agree.

    Args:
        ranker: with the detector's backbone.
        checkpoint: the detector's, published or ours.

    Returns:
        How the names of these parts met; the detector's other parts are among the unexpected.

    Raises:
        ValueError: not a known detector's checkpoint, or its backbone or normalisation is another one.
    """
    name = checkpoint.detector()
    with torch.device("meta"):
        detector = built(DETECTORS.find(name).build, checkpoint.model_args, checkpoint)
    theirs = getattr(detector, "backbone", None)
    # As text it tells depth, widths and slopes: two published bodies have the same shapes and other activations.
    if repr(theirs) != repr(ranker.backbone):
        raise ValueError(f"the backbone of {name} is not that of {type(ranker).__name__}: it cannot start from it")
    if detector.normalisation != ranker.normalisation:
        raise ValueError(
            f"{name} was trained on pixels of {detector.normalisation}, this ranker is built for {ranker.normalisation}"
        )
    names = detector.spec.published_names
    report = _met(ranker, {rename(key, names): value for key, value in checkpoint.tensors.items()})
    lacking = [key for key in report.missing if key.startswith("backbone.")]
    if lacking:
        raise ValueError(f"the checkpoint of {name} lacks {len(lacking)} tensors of its backbone, such as {lacking[0]}")
    return report


def _met(ranker: Ranker, tensors: Mapping[str, torch.Tensor]) -> KeyReport:
    """Loads what fits and returns the report over the parts that are shared."""
    own = {key: value for key, value in ranker.state_dict().items() if key.startswith(("backbone.", *_SHARED))}
    differing = [key for key in own if key in tensors and own[key].shape != tensors[key].shape]
    # A norm is of use only with the convolution whose answers it has seen: "pyramid.laterals.0.conv.weight".
    units = {key.rsplit(".", 2)[0] for key in differing}
    same = tuple(key for key in own if key in tensors and key.rsplit(".", 2)[0] not in units)
    ranker.load_state_dict({key: tensors[key] for key in same}, strict=False)
    return KeyReport(
        matched=same,
        missing=tuple(key for key in own if key not in tensors),
        unexpected=tuple(key for key in tensors if key not in own),
        mismatched=tuple(f"{key} {tuple(tensors[key].shape)} for {tuple(own[key].shape)}" for key in differing),
    )
