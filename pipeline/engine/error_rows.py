"""Rows that hold an error: counted where they come from, carried along after that, and told at the end of a run.

An image that cannot be read is an error in every output that is made from it. Whether a run goes on with it is one
decision, taken by the first node that has it; the later ones only decide about errors of their own.
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
    """Returns (key, message) of the errors of an output that are not carried along from what it is made of row by row.

    Args:
        node: that made it.
        manifest: of the output.
        inputs: port -> outputs wired to it.
    """
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
    enough, which = math.ceil(100 * errors / rows) / 100, shown(own or manifest.errors)
    raise TooManyErrorsError(
        f"{errors} of {rows} rows are errors ({errors / rows:.1%}), allowed are {allowed:.1%}: {which}. "
        f"Go on without them with --set {setting}={enough:g}, or mend the cause and add --retry-errors"
    )


def told(node: Node, manifest: Manifest, own: Sequence[tuple[str, str]]) -> list[str]:
    """Returns what a run says about an output in its last lines: errors that began there, and the stage's notes."""
    lines = [f"{node.name}: {len(own)} of {manifest.rows} rows are errors: {shown(own)}"] if own else []
    return lines + [f"{node.name}: {note.replace('{node}', node.name)}" for note in manifest.run.get("notes", ())]


def shown(errors: Sequence[tuple[str, str]]) -> str:
    """Returns the first few errors in one line."""
    more = f"; and {len(errors) - SHOWN} more" if len(errors) > SHOWN else ""
    return "; ".join(" ".join(f"{key}: {message}".split()) for key, message in errors[:SHOWN]) + more
