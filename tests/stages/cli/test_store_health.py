"""What `plan`, `run`, `status` and `clean` say of a store with damaged, unfinished and left-over files."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.engine.storage import Store
from tests.stages.world import World

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def faces(world: World, weights: str) -> World:
    """Four drawn images, their candidates, what is left of these, its AP and a table."""
    world.node("faces", "index", dataset={"kind": "synthetic", "images": 4, "width": 96, "height": 64})
    inputs = {"samples": "faces"}
    world.node(
        "boxes", "predict", inputs=inputs, path=weights, canvas="original", max_candidates=50, run={"shard_rows": 1}
    )
    world.node("found", "suppress", inputs={"candidates": "boxes"})
    world.node("ap", "evaluate", inputs={"samples": "faces", "detections": "found"})
    world.node("result", "table", inputs={"ap": ["ap"]})
    return world


def shards(world: World, node: str) -> list[Path]:
    manifest = world.artifact(node).manifest
    return [Path(world.store.path(f"{manifest.folder}/{each.name}.parquet")) for each in manifest.shards]


def flip(path: Path, place: int = 30) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("node", ["faces", "boxes", "found", "ap", "result"])
def test_what_verification_finds_plan_and_run_know(wider8k, faces: World, node: str) -> None:
    config = ("-c", faces.config)
    faces.done()
    (path, *_) = shards(faces, node)
    flip(path)
    assert wider8k("status", *config).code == 0  # of the same size, so that only reading shows it
    verified = wider8k("status", *config, "--verify")
    assert verified.code == 1
    assert f"; DAMAGED: {path.stem}" in verified.out
    assert verified.out.count("; all bytes as written") == 4
    assert verified.out.endswith(f"what is damaged is computed again by: wider8k run -c {faces.config}\n")
    planned = next(line for line in wider8k("plan", *config).out.splitlines() if line.startswith(node))
    assert "reuse" not in planned and f"damaged or missing: {path.stem}" in planned
    seen = wider8k("status", *config)
    assert (seen.code, f"DAMAGED: {path.stem}" in seen.out) == (1, True)
    run = wider8k("run", "--local", *config)
    assert run.code == 0
    assert f"{node}: " in run.err and path.stem in run.err
    assert wider8k("status", *config, "--verify").code == 0


def test_a_copy_for_people_is_put_again(wider8k, faces: World) -> None:
    faces.done()
    copy = Path(faces.store.path("result.md"))
    good = copy.read_bytes()
    flip(copy)
    assert "; DAMAGED: result.md" in wider8k("status", "-c", faces.config, "--verify").out
    assert wider8k("run", "--local", "-c", faces.config).code == 0
    assert copy.read_bytes() == good


def test_a_table_is_never_printed_from_a_damaged_copy(wider8k, faces: World) -> None:
    faces.done()
    copy = Path(faces.store.path("result.md"))
    good = copy.read_bytes()
    copy.write_bytes(good.replace(b"ap", b"aq"))
    answer = wider8k("run", "--local", "-c", faces.config)
    assert good.decode() in answer.out
    assert copy.read_bytes() == good


def test_status_says_what_plan_says_of_an_unfinished_output(wider8k, faces: World) -> None:
    config = ("-c", faces.config)
    assert wider8k("run", "--local", *config, "--limit", 3).code == 0
    limited = wider8k("status", *config, "--limit", 3)
    assert limited.out.count(" rows, 0 errors") == 5
    wider8k("run", "--local", *config, "--only", "faces")
    reason = "3 of 4 items stored, 1 to do in 1 shards"
    assert reason in wider8k("plan", *config).out
    assert f"boxes: {reason}, 1 older outputs\n" in wider8k("status", *config).out
    verified = wider8k("status", *config, "--verify")
    assert f"boxes: {reason}, 1 older outputs; all bytes as written\n" in verified.out
    flip(Path(faces.store.path(f"boxes/{faces.plan()['boxes'].row_fingerprint}/{_first_record(faces)}.parquet")))
    assert "; DAMAGED: shard-" in wider8k("status", *config, "--verify").out
    assert "2 of 4 items stored, 2 to do in 2 shards; damaged or missing: shard-" in wider8k("plan", *config).out
    blocked = wider8k("status", *config, "--set", "boxes.path=/nowhere.pth")
    assert "boxes: /nowhere.pth: expected a weights file, or a name that wider8k weights list prints" in blocked.out


def _first_record(faces: World) -> str:
    assignment = faces.plan()["boxes"].shard_plan
    assert assignment is not None
    return assignment.kept[0].record.name


def killed_in_a_write(store: Store, name: str) -> None:
    """Leaves in the store what a process leaves that is killed in the middle of a write."""
    code = (
        "import os, signal, sys; import pipeline.engine.local_files as files; from pipeline.engine.storage import Store\n"
        "files.give_name = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "Store(sys.argv[1]).write(sys.argv[2], b'half')"
    )
    gone = subprocess.run([sys.executable, "-c", code, store.url, name], cwd=ROOT)
    assert gone.returncode == -signal.SIGKILL


def files_of(store: Store) -> set[str]:
    return {str(path.relative_to(store.url)) for path in Path(store.url).rglob("*") if path.is_file()}


def test_clean_takes_what_killed_runs_have_left_everywhere(wider8k, faces: World) -> None:
    faces.done()
    before = files_of(faces.store)
    recipe = f"boxes/{faces.plan()['boxes'].row_fingerprint}"
    for name in (f"{recipe}/shard-1.parquet", "boxes/exports.json", "runs/x.jsonl", "lock.json", f"{recipe}/work/a.pt"):
        killed_in_a_write(faces.store, name)
    faces.store.write(f"{recipe}/_inflight/run-shard-1", b"#")
    faces.store.write(f"{recipe}/_inflight/run-shard-1.progress", b"1/2")
    faces.store.write(f"{recipe}/work/ray/0/bookkeeping", b"of Ray Train")
    faces.store.write(f"{recipe}/shard-2.parquet", b"without a record")
    faces.store.write(f"{recipe}/work/step-0000000001.pt", b"what a training goes on from")
    left = files_of(faces.store) - before
    assert len([name for name in left if ".tmp-" in name]) == 5
    dry = wider8k("clean", "-c", faces.config)
    assert dry.code == 0
    assert files_of(faces.store) - before == left
    answer = wider8k("clean", "-c", faces.config, "--yes")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.splitlines()[-1] == "8 outputs deleted"
    assert answer.out.replace("deleted", "would delete").splitlines()[:-1] == dry.out.splitlines()[:-1]
    assert files_of(faces.store) == {*before, f"{recipe}/work/step-0000000001.pt"}
    assert wider8k("clean", "-c", faces.config, "--yes").out == "nothing to clean\n"
    assert not faces.done().computed


def test_clean_of_an_interrupted_run_keeps_what_serves(wider8k, faces: World) -> None:
    faces.done(selected=["faces", "boxes"])
    manifest = faces.artifact("boxes").manifest
    faces.store.delete(f"{manifest.folder}/manifest-{manifest.fingerprint}.json")
    killed_in_a_write(faces.store, f"{manifest.folder}/shard-1.parquet")
    answer = wider8k("clean", "-c", faces.config, "--yes")
    assert answer.code == 0
    lines = answer.out.splitlines()
    assert lines[0].startswith(f"deleted {manifest.folder}/.tmp-")
    assert "found: nothing stored yet; after boxes: what it uses is known once its inputs are finished" in answer.out
    assert lines[-1] == "2 outputs deleted"  # and the list of rows, which is written before the manifest
    assert "4 of 4 items stored" in faces.plan()["boxes"].reason


def test_one_that_cannot_go_is_named_and_the_others_go(wider8k, faces: World, monkeypatch: pytest.MonkeyPatch) -> None:
    faces.done()
    killed_in_a_write(faces.store, "boxes/exports.json")
    killed_in_a_write(faces.store, "found/exports.json")
    remove = Store.remove

    def refuse(store: Store, name: str) -> None:
        if name.startswith("boxes"):
            raise PermissionError(13, "Permission denied", name)
        remove(store, name)

    monkeypatch.setattr(Store, "remove", refuse)
    answer = wider8k("clean", "-c", faces.config, "--yes")
    assert answer.code == 1
    assert "error: boxes/.tmp-" in answer.err and "deleted boxes" not in answer.out
    assert "deleted found/.tmp-" in answer.out
