from __future__ import annotations

import json
import os

import pytest

from pipeline.engine.live_state import LIVE_FILE, LiveState, read_live_state
from pipeline.engine.lock import machine
from pipeline.engine.node_progress import ProgressState
from pipeline.engine.storage import Store

NODES = [
    ProgressState("faces", "stored, 4 rows", 1.0, ""),
    ProgressState("boxes", "1/4 items", 0.25, "3s left", errors=1),
]


def test_what_is_written_is_read(tmp_path):
    store = Store(str(tmp_path))
    LiveState.here("r1", NODES).write(store)
    state = read_live_state(store)
    assert state == LiveState("r1", os.getpid(), machine(), tuple(NODES))
    assert state.belongs_to({"pid": os.getpid(), "machine": machine()})
    assert not state.belongs_to({"pid": os.getpid() + 1, "machine": machine()})
    assert not state.belongs_to({"pid": os.getpid(), "machine": "elsewhere"})


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"null", b'{"run": "r1"}', b'{"run": "r1", "pid": 1, "machine": "m", "nodes": [3]}']
)
def test_what_is_no_state_is_none(tmp_path, data):
    store = Store(str(tmp_path))
    assert read_live_state(store) is None
    store.write(LIVE_FILE, data)
    assert read_live_state(store) is None


def test_keys_are_hidden(tmp_path):
    store = Store(str(tmp_path))
    LiveState.here("r1", [ProgressState("boxes", "failed: s3://K:S@bucket/x", None, "")]).write(store)
    assert json.loads(store.read(LIVE_FILE))["nodes"][0]["count"] == "failed: s3://***@bucket/x"
