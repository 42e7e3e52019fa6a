"""Load, save and convert weights: published PyTorch checkpoints by renaming, our own as safetensors."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from pipeline.engine.file_kind import HEAD, file_kind
from pipeline.models.checkpoint_file import in_file, require_whole
from pipeline.models.checkpoint_id import METADATA_KEY, resolve_detector, stored_config
from pipeline.models.detectors import DETECTORS
from pipeline.models.detectors.detector import Detector
from pipeline.models.published_names import rename
from pipeline.models.rankers import RANKERS

N = TypeVar("N", bound=nn.Module)
FIRST_WEIGHTS = "pretrained"
"""The switch that has ImageNet's weights fetched for a network that is to be trained."""


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


def open_detector(
    source: bytes | str | Path, requested: str | None = None, *, partial: bool = False
) -> tuple[str, Detector]:
    """Returns the name and the loaded detector of a checkpoint, in evaluation mode on the CPU.

    One of ours that was saved with ``model_args`` in its configuration is built with them.

    Args:
        source: checkpoint, its bytes or its path.
        requested: detector the user asked for; needed only where the file does not tell.
        partial: load what fits even if names are missing, unexpected or of another shape.

    Raises:
        ValueError: see `resolve_detector` and `load`.
    """
    name = resolve_detector(source, requested)
    detector = built(DETECTORS.find(name).build, model_args_of(source), source)
    load(detector, source, partial=partial)
    return name, detector.eval()


def built(build: Callable[..., N], model_args: Mapping[str, Any], source: bytes | str | Path) -> N:
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
        reason = _first_line(error)
        raise ValueError(f"{in_file(source)}no network with the switches {given}: {reason}") from error


def model_args_of(source: bytes | str | Path) -> dict[str, Any]:
    """Returns the keyword arguments its network was built with, of one of our checkpoints; else an empty mapping.

    Without `FIRST_WEIGHTS`: a network that takes its weights from the checkpoint need not fetch others before.
    """
    model_args = (stored_config(source) or {}).get("model_args", {})
    if not isinstance(model_args, dict):
        raise ValueError(
            f"{in_file(source)}the checkpoint's switches must map names to values, they are {model_args!r}"
        )
    return {name: value for name, value in model_args.items() if name != FIRST_WEIGHTS}


def load(detector: nn.Module, source: bytes | str | Path, *, partial: bool = False) -> KeyReport:
    """Loads a checkpoint into a network in place and returns what met what.

    Nothing here tells variants with equal shapes apart: go through `open_detector`, or `resolve_detector` first.

    Args:
        detector: with our names, not yet optimised for inference.
        source: a PyTorch checkpoint (plain or wrapped in ``{"state_dict": …}``, with or without the prefix
            ``module.``) or safetensors, its bytes or its path.
        partial: load what fits instead of raising.

    Raises:
        ValueError: not a checkpoint, or names or shapes disagree and ``partial`` is false; the network is unchanged.
    """
    names = detector.spec.published_names if isinstance(detector, Detector) else ()
    tensors = {rename(name, names): tensor for name, tensor in read_tensors(source).items()}
    own = detector.state_dict()
    same = tuple(name for name in own if name in tensors and own[name].shape == tensors[name].shape)
    differing = [name for name in own if name in tensors and own[name].shape != tensors[name].shape]
    report = KeyReport(
        matched=same,
        missing=tuple(name for name in own if name not in tensors),
        unexpected=tuple(name for name in tensors if name not in own),
        mismatched=tuple(f"{name} {tuple(tensors[name].shape)} for {tuple(own[name].shape)}" for name in differing),
    )
    if not partial and not report.complete:
        raise ValueError(f"{in_file(source)}checkpoint does not fit {type(detector).__name__}: {report}")
    try:
        detector.load_state_dict({name: tensors[name] for name in same}, strict=False)
    except RuntimeError as error:  # tensors of a kind that a network cannot hold
        raise ValueError(f"{in_file(source)}checkpoint does not fit {type(detector).__name__}: {error}") from error
    return report


def read_tensors(source: bytes | str | Path) -> dict[str, Tensor]:
    """Returns the tensors of a checkpoint by the names it uses, on the CPU.

    Raises:
        ValueError: not a PyTorch or safetensors file, or not a mapping of names to tensors.
    """
    from safetensors.torch import load as load_safetensors

    require_whole(source)
    data = source if isinstance(source, bytes) else Path(source).read_bytes()
    where = in_file(source)
    if data[8:9] == b"{" and int.from_bytes(data[:8], "little") < len(data):
        try:
            loaded: dict[str, Tensor] = load_safetensors(data)
        except Exception as error:  # its own kind of error, and torch's for a type of numbers that it does not have
            raise ValueError(f"{where}not a safetensors file that can be read: {_first_line(error)}") from error
        return loaded
    try:
        content: Any = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:
        # torch raises half a dozen types for bytes that are no checkpoint, some with a page of advice.
        reason = f"{_first_line(error).split('. ')[0]} (the file is {file_kind(data[:HEAD])})"
        raise ValueError(f"{where}not a checkpoint that torch can load safely: {reason}") from error
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping):
        raise ValueError(f"{where}a checkpoint must map names to tensors, this one holds {type(content).__name__}")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            found = f"{name!r}, which is {type(value).__name__}"
            raise ValueError(f"{where}a checkpoint must map names to tensors, this one holds {found}")
    return dict(content)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__


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
