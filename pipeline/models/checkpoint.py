"""A checkpoint, read once: its content hash, configuration and tensors, and which network it belongs to.

Two published RetinaFace files have the same names and shapes but other anchors and activations; loading one as the
other raises nothing and gives plausible, wrong boxes. So the network is never guessed: evidence is the name written
into a checkpoint of this project, the content hash of a known file, or the user's choice, in this order, and a
contradiction is an error. A ranker's checkpoint is always one of this project.

Torch is imported for the tensors only, so that a plan can check a file without it.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import warnings
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.engine.file_kind import HEAD, file_kind
from pipeline.models.checkpoint_file import in_file, whole_header
from pipeline.models.detectors import DETECTORS
from pipeline.models.published import weights_file
from pipeline.models.rankers import RANKERS

if TYPE_CHECKING:
    from torch import Tensor

METADATA_KEY = "wider8k"
AGREEMENT = "agreement"
"""Key of the settings of a ranker that reads agreement, in its configuration."""
FIRST_WEIGHTS = "pretrained"
"""The switch that has ImageNet's weights fetched for a network that is to be trained."""
_KINDS = ("ranker", "detector", AGREEMENT)
_BY_AGREEMENT = "a ranker that reads agreement"

Source = bytes | str | Path


def published_detector(content_hash: str) -> str | None:
    """Returns the detector of a published checkpoint with that SHA-256, or None where it is not known."""
    return next((name for name, spec in DETECTORS.items() if content_hash in spec.content_hashes), None)


class Checkpoint:
    """A checkpoint's file or bytes; each attribute is read when it is first asked for, and kept.

    Attributes:
        where: "<path>: " to begin a message with; empty for bytes.
        config: the configuration written into a checkpoint of this project, ``{"detector": name, ...}``,
            ``{"ranker": name, ...}`` or ``{"agreement": settings, ...}``; empty for others.
    """

    def __init__(self, source: Source) -> None:
        """Reads the header of a checkpoint's bytes, or of the file at a path or of a published name.

        Raises:
            FileNotFoundError: there is neither such a file nor such a name.
            ValueError: it is cut off, or evidently something else; or the name's file is not fetched yet.
        """
        source = source if isinstance(source, bytes) else weights_file(Path(source))
        self._source = source
        self.where = in_file(source)
        self.config = _config(whole_header(source))

    @classmethod
    def of(cls, source: Checkpoint | Source) -> Checkpoint:
        """Returns the checkpoint itself, or that of a source."""
        return source if isinstance(source, Checkpoint) else cls(source)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the file, hexadecimal."""
        if isinstance(self._source, bytes):
            return hashlib.sha256(self._source).hexdigest()
        with open(self._source, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @property
    def kind(self) -> str | None:
        """Returns "detector", "ranker" or "agreement" for a checkpoint of this project, else None."""
        return next((kind for kind in _KINDS if kind in self.config), None)

    @property
    def model_args(self) -> dict[str, Any]:
        """The keyword arguments that its network was built with, as far as the file has them.

        Without `FIRST_WEIGHTS`: a network that takes its weights from the checkpoint need not fetch others before.

        Raises:
            ValueError: the file has something else in their place.
        """
        model_args = self.config.get("model_args", {})
        if not isinstance(model_args, dict):
            raise ValueError(f"{self.where}the checkpoint's switches must map names to values, they are {model_args!r}")
        return {name: value for name, value in model_args.items() if name != FIRST_WEIGHTS}

    @cached_property
    def tensors(self) -> dict[str, Tensor]:
        """The tensors by the names that the file has for them, on the CPU.

        Raises:
            ValueError: not a PyTorch or safetensors file, or not a mapping of names to tensors.
        """
        data = self._source if isinstance(self._source, bytes) else Path(self._source).read_bytes()
        return _tensors(data, self.where)

    def detector(self, requested: str | None = None) -> str:
        """Returns the name of the detector to build.

        Args:
            requested: the name the user gave, if any.

        Raises:
            ValueError: the name does not exist, contradicts what the file is known to be, or is needed and missing;
                the checkpoint holds a ranker, or is none that can be read.
        """
        if requested is not None:
            DETECTORS.find(requested)
        known, why = None, ""
        if self.kind is None:  # a file of this project is no published one, and to read a large one takes a while
            known, why = published_detector(self.content_hash), f"by its content hash {self.content_hash[:12]}…"
        if self.kind == "ranker":
            raise ValueError(f"{self.where}checkpoint holds the ranker {self.config['ranker']}, not a detector")
        if self.kind == AGREEMENT:
            raise ValueError(f"{self.where}checkpoint holds {_BY_AGREEMENT}, not a detector")
        if self.kind == "detector":
            known, why = str(self.config["detector"]), "by the name stored in it"
            DETECTORS.find(known)
        if known is None and requested is None:
            _ = self.tensors  # a file that is cut off or no checkpoint has its own error, whatever the name
            names = ", ".join(DETECTORS)
            raise ValueError(
                f"{self.where}checkpoint {self.content_hash[:12]}… is unknown: say which detector it belongs to, one "
                f"of {names} (--detector NAME; in a config: detector)"
            )
        if known is not None and requested not in (None, known):
            raise ValueError(f"{self.where}checkpoint is {known} ({why}), not {requested}: use detector {known}")
        return known or str(requested)

    def ranker(self, requested: str | None = None) -> str:
        """Returns the name of the ranker to build.

        Args:
            requested: the name the user gave, if any.

        Raises:
            ValueError: it holds a detector or no network of this project; the name does not exist or contradicts the
                file's.
        """
        if requested is not None:
            RANKERS.find(requested)
        if self.kind != "ranker":
            raise ValueError(
                f"{self.where}checkpoint {self.content_hash[:12]}… {self._held()}: "
                "expected one of a ranker, written by this program"
            )
        name = str(self.config["ranker"])
        RANKERS.find(name)
        if requested not in (None, name):
            raise ValueError(
                f"{self.where}checkpoint is {name} (by the name stored in it), not {requested}: use ranker {name}"
            )
        return name

    def agreement(self) -> dict[str, Any]:
        """Returns the settings of a ranker that reads agreement.

        Raises:
            ValueError: it holds another network, or no settings.
        """
        settings = self.config.get(AGREEMENT)
        if not isinstance(settings, dict):
            raise ValueError(
                f"{self.where}checkpoint {self.content_hash[:12]}… {self._held()}: "
                "expected one of stage train_agreement"
            )
        return settings

    def _held(self) -> str:
        """Returns what it holds, in words."""
        if self.kind == AGREEMENT:
            return f"holds {_BY_AGREEMENT}"
        if self.kind == "ranker":
            return f"holds the ranker {self.config['ranker']}"
        detector = self.config.get("detector") or published_detector(self.content_hash)
        return f"holds the detector {detector}" if detector else "does not say what it holds"


def _config(header: Mapping[str, Any] | None) -> dict[str, Any]:
    try:
        config = json.loads((header or {}).get("__metadata__", {})[METADATA_KEY])
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return {}
    return config if isinstance(config, dict) and config.keys() & set(_KINDS) else {}


def _tensors(data: bytes, where: str) -> dict[str, Tensor]:
    import torch
    from safetensors.torch import load as load_safetensors

    if data[8:9] == b"{" and int.from_bytes(data[:8], "little") < len(data):
        try:
            loaded: dict[str, Tensor] = load_safetensors(data)
        except Exception as error:  # its own kind of error, and torch's for a type of numbers that it does not have
            raise ValueError(f"{where}not a safetensors file that can be read: {first_line(error)}") from error
        return loaded
    try:
        with warnings.catch_warnings():  # of a newer pickle, two lines on the terminal: what is wrong is an error
            warnings.simplefilter("ignore", UserWarning)
            content: Any = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:
        if isinstance(error, EOFError) or "unexpected EOF" in str(error):
            raise ValueError(f"{where}the checkpoint is cut off after {len(data):,} bytes: fetch it again") from error
        if held := re.search(r"GLOBAL ([\w.]+) was not an allowed global", str(error)):
            raise ValueError(
                f"{where}not a checkpoint that torch can load safely: it holds {held[1]}, whose code would run; save "
                "model.state_dict() where its program is installed, and give that file"
            ) from error
        # torch raises half a dozen types for bytes that are no checkpoint, some with a page of advice.
        reason = f"{first_line(error).split('. ')[0]} (the file is {file_kind(data[:HEAD])})"
        raise ValueError(f"{where}not a checkpoint that torch can load safely: {reason}") from error
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    found = type(content).__name__
    if isinstance(content, Mapping):
        odd = [item for item in content.items() if not (isinstance(item[0], str) and isinstance(item[1], torch.Tensor))]
        if not odd:
            return dict(content)
        found = f"{odd[0][0]!r}, which is {type(odd[0][1]).__name__}"
    raise ValueError(f"{where}a checkpoint must map names to tensors, this one holds {found}")


def first_line(error: Exception) -> str:
    """Returns the first line of an error's message, or its type where it has none."""
    return next(iter(str(error).splitlines()), "") or type(error).__name__
