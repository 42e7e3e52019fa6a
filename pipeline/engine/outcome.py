"""The result of a run: which nodes were computed, reused, failed or never begun, and what their outputs are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from pipeline.engine.manifest import Artifact


@dataclass
class Outcome:
    """The result of a run, as names of nodes.

    Attributes:
        computed: in whole or in part.
        reused: as they were stored.
        failed: with the message.
        blocked: never begun.
        missing: inputs of the blocked ones that are neither stored nor selected.
        notes: lines about the outputs: rows that are errors, what was left out.
        outputs: finished outputs of the selected nodes, by node, in the order of the graph.
        errors: (key, message) of the rows of each of them that became errors there, by node; none without any.
    """

    computed: list[str] = field(default_factory=list)
    reused: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    blocked: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    outputs: dict[str, Artifact] = field(default_factory=dict)
    errors: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    def line(self) -> str:
        """Returns how many nodes there are of each kind, e.g. ``3 computed, 1 reused, 1 failed (boxes)``."""
        parts = [f"{len(self.computed)} computed, {len(self.reused)} reused"]
        for word, names in (("failed", list(self.failed)), ("not begun", self.blocked)):
            parts += [f"{len(names)} {word} ({', '.join(names)})"] if names else []
        return ", ".join(parts)

    def followed_by(self, later: Outcome, lost: Collection[str]) -> Outcome:
        """Returns the outcome of two attempts, of which the second left out the `lost` nodes of the first."""
        computed = list(dict.fromkeys([*self.computed, *later.computed]))
        failed = {**{name: message for name, message in self.failed.items() if name in lost}, **later.failed}
        missing = [name for name in later.missing if name not in lost]
        reused = [name for name in later.reused if name not in computed]
        return Outcome(computed, reused, failed, later.blocked, missing)
