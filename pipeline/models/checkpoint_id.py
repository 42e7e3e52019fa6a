"""Which detector a checkpoint belongs to: told by the file, never guessed. Needs no torch, so a plan can check it.

Two published RetinaFace files have the same names and shapes but other anchors and activations; loading one as the
other raises nothing and gives plausible, wrong boxes. Evidence is therefore the digest of a known file, the name
written into a checkpoint of ours, or what the user says, in this order, and a contradiction is an error. A ranker's
checkpoint is of ours or of nobody's.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from pipeline.models.checkpoint_file import HEADER_LIMIT, in_file, require_whole, safetensors_header
from pipeline.models.detectors import DETECTORS
from pipeline.models.rankers import RANKERS

METADATA_KEY = "wider8k"


def checkpoint_hash(source: bytes | str | Path) -> str:
    """Returns the SHA-256 of a checkpoint, hexadecimal; of the bytes given, or of the file at a path."""
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()
    with open(source, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def variant_of(sha256: str) -> str | None:
    """Returns the detector of a published checkpoint with that digest, or None where it is not known."""
    return next((name for name, spec in DETECTORS.items() if sha256 in spec.content_hashes), None)


def stored_config(source: bytes | str | Path) -> dict[str, Any] | None:
    """Returns the configuration written into one of our own checkpoints, or None.

    It is ``{"detector": name, ...}``, or ``{"ranker": name, ...}``. Reads the safetensors header only.
    """
    if isinstance(source, bytes):
        return _config_of_header(source[:8], source[8:])
    with open(source, "rb") as file:
        size = file.read(8)
        length = int.from_bytes(size, "little")
        return _config_of_header(size, file.read(length) if length <= HEADER_LIMIT else b"")


def resolve_detector(
    source: bytes | str | Path | None = None, requested: str | None = None, *, sha256: str | None = None
) -> str:
    """Returns the name of the detector to build for a checkpoint.

    Args:
        source: the checkpoint, its bytes or its path; None if only its digest is known.
        requested: the name the user gave, if any.
        sha256: digest of the checkpoint, computed from the source if not given.

    Raises:
        ValueError: the name does not exist, contradicts what the file is known to be, or is needed and missing; or the
            checkpoint holds a ranker, or is not whole.
    """
    if requested is not None:
        DETECTORS.find(requested)
    if source is None and sha256 is None:
        raise ValueError("either the checkpoint or its digest is needed")
    if source is not None:
        require_whole(source)
    where = in_file(source)
    sha256 = sha256 or checkpoint_hash(source or b"")
    known, why = variant_of(sha256), f"by its digest {sha256[:12]}…"
    if known is None and source is not None and (config := stored_config(source)) is not None:
        if "ranker" in config:
            raise ValueError(f"{where}checkpoint holds the ranker {config['ranker']}, not a detector")
        known, why = str(config["detector"]), "by the name stored in it"
        DETECTORS.find(known)
    if known is None and requested is None:
        names = ", ".join(sorted(DETECTORS))
        raise ValueError(
            f"{where}checkpoint {sha256[:12]}… is unknown: say which detector it belongs to, one of {names}"
        )
    if known is not None and requested is not None and known != requested:
        raise ValueError(f"{where}checkpoint is {known} ({why}), not {requested}: use detector {known}")
    return known or str(requested)


def resolve_ranker(source: bytes | str | Path, requested: str | None = None) -> str:
    """Returns the name of the ranker to build for a checkpoint, its bytes or its path.

    Args:
        source: the checkpoint.
        requested: the name the user gave, if any.

    Raises:
        ValueError: it holds a detector or no network of ours, or is not whole; the name does not exist or contradicts
            the file's.
    """
    if requested is not None:
        RANKERS.find(requested)
    require_whole(source)
    where = in_file(source)
    config = stored_config(source) or {}
    if "ranker" not in config:
        sha256 = checkpoint_hash(source)
        detector = config.get("detector") or variant_of(sha256)
        held = f"holds the detector {detector}" if detector else "does not say what it holds"
        raise ValueError(f"{where}checkpoint {sha256[:12]}… {held}: expected one of a ranker, written by this program")
    name = str(config["ranker"])
    RANKERS.find(name)
    if requested not in (None, name):
        raise ValueError(f"{where}checkpoint is {name} (by the name stored in it), not {requested}: use ranker {name}")
    return name


def _config_of_header(size: bytes, rest: bytes) -> dict[str, Any] | None:
    header = safetensors_header(size, rest)
    try:
        config = json.loads((header or {}).get("__metadata__", {})[METADATA_KEY])
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return None
    return config if isinstance(config, dict) and config.keys() & {"detector", "ranker"} else None
