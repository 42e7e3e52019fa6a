"""What a report says of the outputs that led to it: trainings, times, errors, provenance."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pipeline.engine.manifest import Artifact
from pipeline.evaluation.page import Source, Timing

_NOT_DRAWN: Final = ("step", "damaged", "bad_images")
MOST_METRICS: Final = 8
"""Plots of a training beside its loss."""
MOST_POINTS: Final = 400
"""Of one line: more are thinned out evenly."""


@dataclass(frozen=True, slots=True)
class Trainings:
    """What trainings logged: losses per logged step, and every other number as name -> training -> (step, value)."""

    losses: Mapping[str, Sequence[float]]
    metrics: Mapping[str, Mapping[str, Sequence[tuple[int, float]]]]


def logged_trainings(checkpoints: Iterable[Artifact | None]) -> Trainings:
    """Returns the losses and logs of checkpoints, each once; those from outside have none."""
    losses: dict[str, Sequence[float]] = {}
    metrics: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for artifact in {each.node: each for each in checkpoints if each}.values():
        row = next(artifact.rows(["loss", "log"]))
        if not row["loss"]:
            continue
        losses[artifact.node] = row["loss"]
        for line in (row["log"] or b"").splitlines():
            entry = json.loads(line)
            for name, value in _numbers(entry):
                metrics.setdefault(name, {}).setdefault(artifact.node, []).append((entry["step"], value))
    ordered = sorted(metrics, key=lambda name: (_order(name), name))
    drawn = [name for name in ordered if any(_changes(points) for points in metrics[name].values())]
    thinned = {name: {node: _thin(points) for node, points in metrics[name].items()} for name in drawn[:MOST_METRICS]}
    return Trainings(losses, thinned)


def errors_of(samples: Artifact, artifacts: Sequence[Artifact]) -> list[str]:
    """Returns a line for each row that is an error, where it comes from; what is made of it only carries it along."""
    unreadable = dict(samples.manifest.errors)
    lines = {(key, message): f"{samples.node}: {key}: {message}" for key, message in unreadable.items()}
    for artifact in artifacts:
        for key, message in artifact.manifest.errors:
            if key not in unreadable:
                lines.setdefault((key, message), f"{artifact.node}: {key}: {message}")
    return list(lines.values())


def timing_of(artifact: Artifact) -> Timing:
    """Returns the times of the run that finished an output."""
    run = artifact.manifest.run
    images = int(run.get("items_computed", 0)) if "image_id" in artifact.manifest.key else 0
    wall, work = float(run.get("wall_seconds", 0)), float(run.get("seconds", 0))
    return Timing(artifact.node, wall, images, f"peak {run.get('peak_mb', 0)} MB", work)


def source_of(artifact: Artifact) -> Source:
    """Returns the provenance of an output."""
    manifest, run = artifact.manifest, artifact.manifest.run
    fields = manifest.fingerprint_fields
    lines = [("stage", f"{fields['stage']} {fields.get('version', '')}".strip())]
    lines += [(name, _plain(value)) for name, value in artifact.params.items()]
    lines += [(f"hash of {name}", str(value)) for name, value in fields.get("file_hashes", {}).items()]
    lines += [("rows", f"{manifest.rows:,}"), ("machine", str(run.get("machine", "")))]
    lines += [("versions", ", ".join(f"{name} {version}" for name, version in run.get("versions", {}).items()))]
    return Source(artifact.node, manifest.fingerprint, [(caption, text) for caption, text in lines if text])


def _numbers(entry: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Yields name and value of the numbers of an entry of the log; of a mapping each; the total loss has its plot."""
    for name, value in entry.items():
        if name in _NOT_DRAWN:
            continue
        if isinstance(value, Mapping):
            parts = {key: each for key, each in value.items() if (name, key) != ("loss", "total")}
            yield from ((f"{name}/{key}", float(each)) for key, each in parts.items() if each is not None)
        elif isinstance(value, (int, float)):
            yield name, float(value)


def _order(name: str) -> int:
    """Returns how early a number is drawn: figures of held-out images, parts of the loss, what drives it, counts."""
    if "/" in name:
        return 1 if name.startswith("loss/") else 0
    return 2 if name in ("rate", "gradient_norm") else 3


def _changes(points: Sequence[tuple[int, float]]) -> bool:
    return len({value for _, value in points}) > 1


def _thin(points: Sequence[tuple[int, float]]) -> Sequence[tuple[int, float]]:
    every = -(-len(points) // MOST_POINTS)
    return points[::every]


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
