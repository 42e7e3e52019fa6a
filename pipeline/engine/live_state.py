"""How far a run is, in one small file that its driver keeps writing: a watcher on any machine reads nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from pipeline.engine.lock import machine
from pipeline.engine.node_progress import ProgressState
from pipeline.engine.plan import Decision, NodePlan
from pipeline.engine.redaction import redact
from pipeline.engine.run_log_file import FOLDER
from pipeline.engine.storage import Store

LIVE_FILE: Final = f"{FOLDER}/live.json"


@dataclass(frozen=True)
class LiveState:
    """Content of the file.

    Attributes:
        run: id of the run, and so the name of its log.
        pid, machine: of the driver, as in the store's lock: another run's file is none of this holder's.
        nodes: every selected node, in the order of the graph.
    """

    run: str
    pid: int
    machine: str
    nodes: tuple[ProgressState, ...]

    @classmethod
    def here(cls, run_id: str, nodes: Sequence[ProgressState]) -> LiveState:
        """Returns the state of a run whose driver is this process."""
        return cls(run_id, os.getpid(), machine(), tuple(nodes))

    def write(self, store: Store) -> None:
        """Replaces the file. Raises OSError."""
        store.write(LIVE_FILE, redact(json.dumps(asdict(self), ensure_ascii=False)).encode())

    def belongs_to(self, holder: Mapping[str, Any]) -> bool:
        """Returns whether the run is that of a lock's holder."""
        return (self.pid, self.machine) == (holder.get("pid"), holder.get("machine"))


def read_live_state(store: Store) -> LiveState | None:
    """Returns the state of the run that wrote last and has not ended well; None without a file and for half a one."""
    try:
        tree = json.loads(store.read_or_none(LIVE_FILE) or b"null")
        known = {field.name for field in fields(ProgressState)}
        nodes = tuple(ProgressState(**{k: v for k, v in each.items() if k in known}) for each in tree["nodes"])
        return LiveState(str(tree["run"]), int(tree["pid"]), str(tree["machine"]), nodes)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def shown_before(planned: NodePlan) -> ProgressState:
    """Returns what the live state says of a node before the run comes to it."""
    if planned.artifact:
        return ProgressState(planned.node.name, f"stored, {planned.artifact.manifest.rows} rows", 1.0, "")
    waits = {Decision.RUN: "waits", Decision.RESUME: f"waits, {planned.reason}"}
    return ProgressState(planned.node.name, waits.get(planned.decision, planned.reason), None, "")
