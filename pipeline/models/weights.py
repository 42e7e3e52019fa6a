"""Load, save and convert weights: published PyTorch checkpoints by renaming, this project's as safetensors."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from torch import nn

from pipeline.models.checkpoint import METADATA_KEY, Checkpoint, Source, first_line
from pipeline.models.detectors import DETECTORS
from pipeline.models.detectors.detector import Detector
from pipeline.models.init import without_random_weights
from pipeline.models.published_names import rename
from pipeline.models.rankers import RANKERS
from pipeline.models.rankers.preprocessing import stored_preprocessing
from pipeline.models.rankers.ranker import Ranker

N = TypeVar("N", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class KeyReport:
    """How a checkpoint's names met a network's.

    Attributes:
        matched: names loaded.
        missing: names of the network that the checkpoint lacks.
        unexpected: names of the checkpoint that the network lacks.
        mismatched: names whose shapes differ, with both shapes.
    """

    matched: tuple[str, ...]
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    mismatched: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every name met its partner."""
        return not (self.missing or self.unexpected or self.mismatched)

    def __str__(self) -> str:
        """Returns one line with counts and the first few names of each trouble."""
        parts = [f"{len(self.matched)} tensors matched"]
        for label in ("missing", "unexpected", "mismatched"):
            names: tuple[str, ...] = getattr(self, label)
            if names:
                more = f" and {len(names) - 3} more" if len(names) > 3 else ""
                parts.append(f"{len(names)} {label}: {', '.join(names[:3])}{more}")
        return "; ".join(parts)


def open_detector(source: Checkpoint | Source, requested: str | None = None) -> tuple[str, Detector]:
    """Returns the name and the loaded detector of a checkpoint, in evaluation mode on the CPU.

    It is built with the ``model_args`` that the checkpoint has.

    Args:
        source: checkpoint, its bytes or its path.
        requested: detector the user asked for; needed only where the file does not say.

    Raises:
        ValueError: see `Checkpoint.detector` and `load`.
    """
    checkpoint = Checkpoint.of(source)
    name = checkpoint.detector(requested)
    with without_random_weights():
        detector = built(DETECTORS[name].build, checkpoint.model_args, checkpoint)
    load(detector, checkpoint)
    return name, detector.eval()


def open_ranker(source: Checkpoint | Source, requested: str | None = None) -> tuple[str, Ranker]:
    """Returns the name and the loaded ranker of a checkpoint, in evaluation mode on the CPU.

    It is built with the ``model_args`` that the checkpoint has, and is given images as in its training.

    Args:
        source: checkpoint, its bytes or its path.
        requested: ranker the user asked for, None for any.

    Raises:
        ValueError: see `Checkpoint.ranker` and `load`.
    """
    checkpoint = Checkpoint.of(source)
    name = checkpoint.ranker(requested)
    with without_random_weights():
        ranker = built(RANKERS[name].build, checkpoint.model_args, checkpoint)
    ranker.preprocessing = stored_preprocessing(checkpoint.config)
    load(ranker, checkpoint)
    return name, ranker.eval()


def built(build: Callable[..., N], model_args: Mapping[str, Any], checkpoint: Checkpoint) -> N:
    """Returns a network made with the model args of a checkpoint.

    Raises:
        ValueError: it cannot be made with them.
    """
    try:
        return build(**model_args)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RuntimeError) as error:
        if not model_args:
            raise
        given = ", ".join(f"{name}={value!r}" for name, value in model_args.items())
        raise ValueError(f"{checkpoint.where}no network with the switches {given}: {first_line(error)}") from error


def load(network: nn.Module, source: Checkpoint | Source, *, partial: bool = False) -> KeyReport:
    """Loads a checkpoint into a network in place and returns how their names met.

    Variants with equal shapes are not distinguished here: go through `open_detector`, or `Checkpoint.detector` first.

    Args:
        network: not yet fused for inference. Published names are those of a detector's `spec`.
        source: a PyTorch checkpoint (plain or wrapped in ``{"state_dict": …}``, with or without the prefix
            ``module.``) or safetensors, its bytes or its path.
        partial: load what fits instead of raising.

    Raises:
        ValueError: not a checkpoint, or names or shapes disagree and ``partial`` is false; the network is unchanged.
    """
    checkpoint = Checkpoint.of(source)
    names = network.spec.published_names if isinstance(network, Detector) else ()
    tensors = {rename(name, names): tensor for name, tensor in checkpoint.tensors.items()}
    own = network.state_dict()
    shared = [name for name in own if name in tensors]
    same = tuple(name for name in shared if own[name].shape == tensors[name].shape)
    report = KeyReport(
        matched=same,
        missing=tuple(name for name in own if name not in tensors),
        unexpected=tuple(name for name in tensors if name not in own),
        mismatched=tuple(
            f"{name} {tuple(tensors[name].shape)} for {tuple(own[name].shape)}"
            for name in shared
            if own[name].shape != tensors[name].shape
        ),
    )
    unfit = f"{checkpoint.where}checkpoint does not fit {type(network).__name__}"
    if not partial and not report.complete:
        raise ValueError(f"{unfit}: {report}")
    try:
        network.load_state_dict({name: tensors[name] for name in same}, strict=False)
    except RuntimeError as error:  # tensors of a kind that a network cannot hold
        raise ValueError(f"{unfit}: {error}") from error
    return report


def save_bytes(name: str, module: nn.Module, config: Mapping[str, Any] | None = None) -> bytes:
    """Returns safetensors bytes of a network with its name inside; equal weights give equal bytes.

    Args:
        name: entry of `DETECTORS` or `RANKERS`.
        module: that detector or ranker.
        config: more to be kept with it, JSON values; ``model_args`` are the keyword arguments it was built with, so
            that `open_detector` or `open_ranker` builds the same again.

    Raises:
        ValueError: there is neither a detector nor a ranker of that name.
    """
    from safetensors.torch import save

    kind = "ranker" if name in RANKERS else "detector"
    if kind == "detector":
        DETECTORS.find(name)
    tensors = {key: tensor.detach().cpu().contiguous() for key, tensor in module.state_dict().items()}
    # One metadata key only: safetensors writes several in no fixed order.
    text = json.dumps({**(config or {}), kind: name}, sort_keys=True)
    data: bytes = save(tensors, metadata={METADATA_KEY: text})
    return data
