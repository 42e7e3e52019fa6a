from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from pipeline.data.images import encode_png
from pipeline.engine.lock import StoreLock, machine
from pipeline.engine.storage import Store
from stages.cli.pipeline import _check_lasting
from tests.processes import hear_interrupts, wait_for
from tests.screen import Screen
from tests.stages.world import World, drawn_image

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def faces(world: World, weights: str) -> World:
    """Four drawn images, their candidates, what is left of these, its AP and a page."""
    world.node("faces", "index", dataset={"kind": "synthetic", "images": 4, "width": 96, "height": 64})
    world.node(
        "boxes",
        "predict",
        inputs={"samples": "faces"},
        path=weights,
        canvas="original",
        max_candidates=50,
        run={"shard_rows": 2, "max_error_share": 0.5},
    )
    world.node("found", "suppress", inputs={"candidates": "boxes"}, run={"max_error_share": 0.5})
    world.node("ap", "evaluate", inputs={"samples": "faces", "detections": "found"})
    world.node("page", "report", inputs={"samples": "faces", "ap": "ap"}, gallery=1)
    return world


def verdicts(text: str) -> dict[str, str]:
    return {line.split()[0]: line.split()[1] for line in text.splitlines()}


def test_plan_shows_what_is_passed_over(wider8k, faces: World) -> None:
    folder = faces.folder / "photos"
    folder.mkdir()
    (folder / "a.png").write_bytes(encode_png(drawn_image(0)))
    (folder / "b.csv").write_text("no image")
    faces.node("faces", "index", dataset="image_folder", path=str(folder))
    answer = wider8k("plan", "-c", faces.config)
    assert answer.out.splitlines()[1] == "       skipped 1 files and folders; 1 that are no images: b.csv"


def test_plan_says_what_would_happen_and_why(wider8k, faces: World) -> None:
    answer = wider8k("plan", "-c", faces.config)
    assert answer.code == 0
    assert set(verdicts(answer.out).values()) == {"run"}
    lines = dict(zip(faces.nodes, answer.out.splitlines(), strict=True))
    assert lines["faces"].endswith("nothing stored yet; 4 items in 1 shards")
    assert lines["boxes"].endswith("nothing stored yet; after faces")
    assert not Path(faces.store.url).exists(), "a plan wrote something"
    wider8k("run", "--local", "-c", faces.config)
    assert set(verdicts(wider8k("plan", "-c", faces.config).out).values()) == {"reuse"}
    changed = wider8k("plan", "-c", faces.config, "--set", "found.iou=0.3").out
    assert verdicts(changed) == {"faces": "reuse", "boxes": "reuse", "found": "run", "ap": "run", "page": "run"}
    assert "changed: params.iou 0.4 -> 0.3" in changed
    one = wider8k("plan", "-c", faces.config, "--set", "found.iou=0.3", "--only", "found", "--force", "found").out
    assert verdicts(one) == {"faces": "reuse", "boxes": "reuse", "found": "run", "ap": "left", "page": "left"}


def test_plan_of_what_cannot_run_ends_with_code_two(wider8k, faces: World) -> None:
    answer = wider8k("plan", "-c", faces.config, "--set", "boxes.path=/nowhere.pth")
    assert answer.code == 2
    assert verdicts(answer.out) == {"faces": "run", **dict.fromkeys(("boxes", "found", "ap", "page"), "blocked")}
    assert "/nowhere.pth" in answer.out


def test_run_and_run_again(wider8k, faces: World) -> None:
    first = wider8k("run", "--local", "-c", faces.config)
    assert first.code == 0
    assert first.out.splitlines()[-1].startswith("done: 5 computed, 0 reused in ")
    page = Path(faces.store.path("page.html"))
    assert f"page: {page}" in first.out
    assert page.is_file()
    assert "boxes: 4 rows in " in first.err
    # Without --local: it must not come as far as Ray. In an interpreter of its own, for other tests import Ray here.
    code = (
        "import sys; from stages.cli.main import app; "
        f"app(['run', '-c', {str(faces.config)!r}], standalone_mode=False); "
        "sys.exit(7 if 'ray' in sys.modules else 0)"
    )
    second = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert second.returncode == 0, second.stderr
    assert second.stdout.splitlines()[-1].startswith("done: 0 computed, 5 reused in ")


def test_selections(wider8k, faces: World) -> None:
    run = ("run", "--local", "-c", faces.config)
    assert "done: 2 computed, 0 reused" in wider8k(*run, "--until", "boxes").out
    blocked = wider8k(*run, "--only", "ap")
    assert blocked.code == 1
    assert "failed: nothing could start; 0 computed, 0 reused, 1 not begun (ap), for" in blocked.out
    assert "for found is neither stored nor selected. Fix it" in blocked.out
    assert blocked.out.rstrip().endswith(f"resume with: wider8k run -c {faces.config} --only ap --local")
    assert "done: 1 computed, 0 reused" in wider8k(*run, "--only", "found").out
    assert "done: 2 computed, 1 reused" in wider8k(*run, "--from", "found").out
    assert "done: 1 computed, 4 reused" in wider8k(*run, "--force", "page").out
    assert (
        "done: 2 computed, 0 reused"
        in wider8k(*run, "--only", "ap", "--only", "page", "--force", "ap", "--force", "page").out
    )


def test_a_machine_is_another_way_to_the_same_output(wider8k, faces: World) -> None:
    path = faces.config
    with path.open("a") as config:
        config.write("machines: {slow: {}, odd: {suppress: {shard_rows: 1}}}\n")
    assert "none is called 'fast' (choices: slow, odd)" in wider8k("plan", "-c", path, "--machine", "fast").err
    done = wider8k("run", "--local", "-c", path, "--machine", "odd", "--until", "found")
    assert done.code == 0, done.err
    assert len(list((faces.folder / "store/found").glob("*/shard-*.parquet"))) == 4  # one image each
    again = wider8k("run", "--local", "-c", path, "--machine", "slow", "--until", "found")
    assert "done: 0 computed, 3 reused" in again.out


def test_a_limit_takes_the_first_images_and_costs_nothing_later(wider8k, faces: World) -> None:
    run = ("run", "--local", "-c", faces.config, "--until", "found")
    assert wider8k(*run, "--limit", 2).code == 0
    status = wider8k("plan", "-c", faces.config, "--until", "found").out
    assert "2 of 4 items stored, 2 to do in 1 shards" in status
    assert wider8k(*run).code == 0
    assert [row["image_id"] for row in faces.rows("found")] == [f"test/00000{i}" for i in range(4)]
    assert faces.computed("boxes") == 2


def test_errors_are_retried_on_request(wider8k, faces: World) -> None:
    folder = faces.folder / "photos"
    folder.mkdir()
    for seed in range(3):
        (folder / f"{seed}.png").write_bytes(encode_png(drawn_image(seed)))
    (folder / "broken.png").write_bytes(b"broken")
    faces.node("faces", "index", dataset="image_folder", path=str(folder), run={"max_error_share": 0.5})
    run = ("run", "--local", "-c", faces.config, "--until", "found")
    answer = wider8k(*run)
    assert answer.code == 0
    assert "boxes: 4 rows, 1 errors (first: broken.png: " in answer.err
    assert "done: 0 computed, 3 reused" in wider8k(*run).out
    assert "done: 3 computed, 0 reused" in wider8k(*run, "--retry-errors").out
    assert faces.computed("boxes") == 1
    status = wider8k("status", "-c", faces.config)
    assert "boxes: 4 rows, 1 errors, " in status.out
    assert "    broken.png: ImageError: " in status.out


def test_a_failure_ends_with_code_one_and_says_how_to_go_on(wider8k, faces: World) -> None:
    faces.node("others", "index", dataset={"kind": "synthetic", "images": 2, "split": "train"})
    faces.nodes["ap"]["inputs"]["samples"] = "others"
    answer = wider8k("run", "--local", "-c", faces.config, "--set", "found.iou=0.5")
    assert answer.code == 1
    last = answer.out.splitlines()[-1]
    assert last.startswith("failed: ap: found: 4 of 4 images are not in others")
    assert "4 computed, 0 reused, 1 not begun (page). Fix it, then resume with: " in last
    assert last.endswith(f"wider8k run -c {faces.config} --set found.iou=0.5 --local")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--only", "boxs"), "no node is called 'boxs' (did you mean 'boxes'?; choices: faces, boxes"),
        (("--from", "nothing"), "no node is called 'nothing' (choices: faces, boxes"),
        (("--until", "pge"), "(did you mean 'page'?; choices: "),
        (("--force", "fond"), "(did you mean 'found'?; choices: "),
        (
            ("--set", "boxs.max_candidates=3"),
            "--set boxs.max_candidates=3: no node is called 'boxs' (did you mean 'boxes'?)",
        ),
        (
            ("--set", "boxes.max_candidate=3"),
            "nodes.boxes.max_candidate: unknown field (did you mean 'max_candidates'?), found 3",
        ),
        (("--set", "boxes.run.worker=3"), "nodes.boxes.run.worker: unknown field (did you mean 'workers'?)"),
        (("--set", "boxes.max_candidates"), "--set boxes.max_candidates: expected node.field=value"),
        (("--set", "boxes.max_candidates=many"), "nodes.boxes.max_candidates: Input should be a valid integer"),
        (("--set", "boxes.stage=predikt"), "no stage is called 'predikt' (did you mean 'predict'?)"),
        (("--set", "faces.dataset.images=0"), "images"),
        (("--set", "boxes.path=/nowhere.pth"), "nothing was started:\n  - boxes: "),
    ],
)
def test_mistakes_are_named_before_anything_runs(wider8k, faces: World, arguments: tuple[str, str], words: str) -> None:
    answer = wider8k("run", "--local", "-c", faces.config, *arguments)
    assert answer.code == 2
    assert answer.err.startswith("error: ")
    assert words in answer.err
    assert faces.store.folders() == []


def test_explain(wider8k, faces: World) -> None:
    explain = ("explain", "found", "-c", faces.config)
    assert "nothing is stored of this node" in wider8k(*explain).out
    wider8k("run", "--local", "-c", faces.config)
    same = wider8k(*explain)
    assert same.code == 0
    assert "found: reuse, 4 rows stored" in same.out
    assert f"identical to what is stored: {faces.plan()['found'].fingerprint}" in same.out
    changed = wider8k(*explain, "--set", "found.max_detections=9", "--set", "boxes.max_candidates=40").out
    assert "  params.max_detections: stored None -> wanted 9" in changed
    assert "  inputs.candidates: stored [" in changed
    assert "    boxes.params.max_candidates: stored 50 -> wanted 40" in changed
    blocked = wider8k(*explain, "--set", "boxes.path=/nowhere.pth").out
    assert "its fingerprint depends on what blocks it" in blocked
    assert wider8k("explain", "fond", "-c", faces.config).code == 2


def test_status_sees_damage(wider8k, faces: World) -> None:
    status = ("status", "-c", faces.config)
    answer = wider8k(*status)
    assert answer.code == 0
    assert "boxes: not stored as configured\n" in answer.out
    wider8k("run", "--local", "-c", faces.config)
    assert wider8k(*status).out.startswith("faces: 4 rows, 0 errors, 1 shards, 0.0 MB, ")
    assert wider8k(*status, "--verify").out.count("; all bytes as written") == 5
    older = wider8k(*status, "--set", "found.max_detections=3").out
    assert "found: not stored as configured, 1 older outputs" in older
    # What waits for fewer images is not said to be missing: all of its rows are there.
    fewer = wider8k(*status, "--limit", "3").out
    assert "faces: 3 of 3 items stored, 0 to do in 0 shards, 1 older outputs" in fewer
    assert "boxes: run, after faces, 1 older outputs" in fewer
    shard = faces.artifact("boxes").manifest.shards[0]
    file = Path(faces.store.path(f"{faces.artifact('boxes').manifest.folder}/{shard.name}.parquet"))
    good = file.read_bytes()
    file.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    assert wider8k(*status).code == 0  # of the same size: only reading it shows
    damaged = wider8k(*status, "--verify")
    assert damaged.code == 1
    assert f"; DAMAGED: {shard.name}" in damaged.out
    file.write_bytes(good[:-1])
    assert wider8k(*status).code == 1
    assert wider8k("run", "--local", "-c", faces.config).code == 0
    assert file.read_bytes() == good


def test_clean_deletes_what_the_config_does_not_use(wider8k, faces: World) -> None:
    faces.done()
    faces.done("found.max_detections=3")
    clean = ("clean", "-c", faces.config)
    kept, stale = (faces.plan(*sets)["found"].row_fingerprint for sets in ((), ("found.max_detections=3",)))
    dry = wider8k(*clean)
    assert dry.code == 0
    assert f"would delete found/{stale} (" in dry.out
    assert f"found/{kept}" not in dry.out
    assert dry.out.splitlines()[-1] == "3 outputs could go; add --yes"
    assert sorted(faces.store.folders("found")) == sorted([kept, stale])
    assert wider8k(*clean, "--yes").out.splitlines()[-1] == "3 outputs deleted"
    assert faces.store.folders("found") == [kept]
    assert wider8k(*clean, "--yes").out == "nothing to clean\n"
    assert not faces.done().computed
    unknown = wider8k(*clean, "--yes", "--set", "boxes.path=/nowhere.pth")
    assert unknown.code == 2
    assert "what boxes uses" in unknown.err
    assert faces.store.folders("found") == [kept]


def test_a_store_in_use_ends_with_code_three(wider8k, faces: World) -> None:
    with StoreLock(faces.store, "another run"):
        for command in (("run", "--local"), ("clean", "--yes")):
            answer = wider8k(*command, "-c", faces.config)
            assert answer.code == 3
            assert f"is in use by process {os.getpid()} on {socket.gethostname()} (another run, started" in answer.err
        assert wider8k("plan", "-c", faces.config).code == 0
    assert faces.store.folders() == []


def test_the_lock_of_a_dead_process_is_taken_over(wider8k, faces: World) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    lock = {"owner": "x", "host": socket.gethostname(), "pid": gone.pid, "started": 1.0, "purpose": "gone", "beat": 0}
    lock |= {"machine": machine(), "since_boot": -1}
    faces.store.write("lock.json", json.dumps(lock).encode())
    answer = wider8k("run", "--local", "-c", faces.config, "--only", "faces")
    assert answer.code == 0
    assert f"took over the lock of process {gone.pid} on {socket.gethostname()} (gone, " in answer.err
    assert "lock.json" not in faces.store.sizes("")


@pytest.mark.slow
def test_an_interrupt_keeps_what_is_done_and_says_how_to_go_on(faces: World) -> None:
    faces.node("many", "index", dataset={"kind": "synthetic", "images": 4, "width": 512, "height": 512})
    faces.node("detector", "train_detector", inputs={"samples": "many"}, recipe={"steps": 100_000, "images": 4})
    command = [
        sys.executable, "-m", "stages.cli.main", "run", "--local", "--wait-minutes", "2.5", "-c", str(faces.config),
        "--until", "detector",
    ]  # fmt: skip
    run = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=hear_interrupts
    )
    wait_for(run, lambda: any("_inflight" in str(p) for p in Path(faces.folder).rglob("detector/**/*.progress")))
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=30)
    assert run.returncode == 130
    assert "interrupted by SIGINT; finished shards are kept. Resume with: wider8k run -c " in err
    assert err.rstrip().endswith("--until detector --wait-minutes 2.5 --local")
    assert len(faces.rows("many")) == 4
    assert faces.done(selected=["many"]).reused == ["many"]


def test_a_store_inside_a_jobs_temporary_folder_is_refused(tmp_path, monkeypatch):
    job = tmp_path / "working_dir_files" / "_ray_pkg_1"
    job.mkdir(parents=True)
    monkeypatch.chdir(job)
    with pytest.raises(ValueError, match="is in Ray's temporary copy"):
        _check_lasting(Store("runs/smoke"))
    _check_lasting(Store(str(tmp_path / "elsewhere")))
    _check_lasting(Store("s3://bucket/smoke"))


def test_a_run_ends_with_its_ap_and_a_link_also_where_nothing_is_computed(wider8k, faces: World) -> None:
    command = ("run", "--local", "-c", faces.config, "--report")
    first, second = wider8k(*command), wider8k(*command)
    for answer in (first, second):
        lines = answer.out.splitlines()
        place = lines.index("AP in %")
        assert lines[place + 1].split() == ["evaluation", "easy", "medium", "hard"]
        assert lines[place + 2].split()[0] == "ap"
        assert lines[-2].startswith("done: ")
        assert lines[-1].startswith(f"report: {Path(faces.store.url).as_uri()}/")
        assert "\x1b" not in answer.out + answer.err
    assert first.out.split("AP in %")[1].split("done")[0] == second.out.split("AP in %")[1].split("done")[0]


def test_a_quiet_run_shows_results_and_failures_only(wider8k, faces: World) -> None:
    answer = wider8k("run", "--local", "--quiet", "-c", faces.config, "--only", "faces")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("done: 1 computed")


@pytest.mark.slow
def test_on_a_narrow_terminal_bars_go_and_an_interrupt_is_a_line_of_its_own(faces: World) -> None:
    faces.node("many", "index", dataset={"kind": "synthetic", "images": 4, "width": 512, "height": 512})
    faces.node("detector", "train_detector", inputs={"samples": "many"}, recipe={"steps": 100_000, "images": 4})
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
    before = termios.tcgetattr(side)
    command = [
        sys.executable, "-m", "stages.cli.main", "run", "--local", "--wait-minutes", "2.5", "-c", str(faces.config),
        "--until", "detector",
    ]  # fmt: skip
    run = subprocess.Popen(
        command, cwd=ROOT, stdin=side, stdout=side, stderr=side, env={**os.environ, "TERM": "xterm"},
        preexec_fn=hear_interrupts,
    )  # fmt: skip
    text, deadline = b"", time.monotonic() + 90
    while b"\rdetector" not in text and time.monotonic() < deadline:
        text += os.read(main, 4096) if select.select([main], [], [], 1)[0] else b""
    drawn = Screen(40).feed(text.decode()).lines()
    assert drawn[-1].startswith("detector "), drawn
    assert len(drawn[-1]) < 40
    run.send_signal(signal.SIGINT)
    while run.poll() is None or select.select([main], [], [], 0.2)[0]:
        text += os.read(main, 4096) if select.select([main], [], [], 0.2)[0] else b""
    assert run.returncode == 130
    assert termios.tcgetattr(side) == before
    assert b"\x1b[?25l" not in text, "the cursor is hidden"
    lines = Screen(1000).feed(text.decode()).lines()
    assert lines[-1].startswith("interrupted by SIGINT; finished shards are kept. Resume with: wider8k run -c ")
    assert sum(line.startswith("detector") for line in lines) == 0, lines
