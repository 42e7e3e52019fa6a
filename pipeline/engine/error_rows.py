"""Rows that hold an error: counted where they come from, carried along after that, and shown at the end of a run.

An image that cannot be read is an error in every output made from it. The first node that has it decides whether the
run continues; later nodes decide about their own errors only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pipeline.engine.graph import Node
from pipeline.engine.manifest import Artifact, Manifest
from pipeline.engine.stage import MapStage

SHOWN = 3


class TooManyErrorsError(ValueError):
    """More rows hold an error than a run may have."""


def own_errors(node: Node, manifest: Manifest, inputs: Mapping[str, Sequence[Artifact]]) -> list[tuple[str, str]]:
    """Returns (key, message) of an output's errors that are not carried along from the node's mapped inputs."""
    mapped_inputs = node.stage.mapped_inputs if isinstance(node.stage, MapStage) else ()
    carried = {key for port in mapped_inputs for each in inputs.get(port, ()) for key, _ in each.manifest.errors}
    return [error for error in manifest.errors if error[0] not in carried]


def check_errors(node: Node, manifest: Manifest, own: Sequence[tuple[str, str]]) -> None:
    """Raises TooManyErrorsError where more of a node's rows hold an error than may.

    One bad image never stops a run, however few images there are, unless there is no good one. A node that adds no
    error decides nothing, unless it has a share of its own.
    """
    errors, rows, allowed = len(manifest.errors), manifest.rows, node.resources.max_error_share
    too_many = errors > max(1, allowed * rows) or bool(errors == rows and allowed < 1)
    if not errors or not too_many or not (own or node.own_share):
        return
    setting = f"{node.name}.run.max_error_share" if node.own_share else "max_error_share"
    enough, which = math.ceil(100 * errors / rows) / 100, first_errors(own or manifest.errors)
    raise TooManyErrorsError(
        f"{errors} of {rows} rows are errors ({errors / rows:.1%}), allowed are {allowed:.1%}: {which}. "
        f"Go on without them with --set {setting}={enough:g}, or fix the cause and add --retry-errors"
    )


def output_notes(node: Node, manifest: Manifest, own: Sequence[tuple[str, str]]) -> list[str]:
    """Returns the lines on an output at the end of a run: errors that began there, and the stage's notes."""
    lines = [f"{len(own)} of {manifest.rows} rows are errors: {first_errors(own)}"] if own else []
    return [f"{node.name}: {line}" for line in (*lines, *manifest.run.get("notes", ()))]


def first_errors(errors: Sequence[tuple[str, str]]) -> str:
    """Returns the first few errors in one line."""
    more = f"; and {len(errors) - SHOWN} more" if len(errors) > SHOWN else ""
    return "; ".join(" ".join(f"{key}: {message}".split()) for key, message in errors[:SHOWN]) + more
