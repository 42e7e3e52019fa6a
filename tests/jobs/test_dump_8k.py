"""A real dump on 8K canvases: killed three times, resumed, and equal to a quiet one to the last byte."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.data.images import read_header
from pipeline.data.records import read_detections
from pipeline.engine.manifest import Artifact, stored_manifests
from pipeline.engine.storage import Store
from tests.processes import kill_family

pytestmark = [pytest.mark.wider, pytest.mark.ray, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]
# Two workers finish at most two images per kill, so five leave one for the end. Twelve and more in a longer run;
# configs/RESULTS.md has what that gave.
IMAGES = int(os.environ.get("WIDER8K_DUMP_IMAGES", "5"))


@pytest.fixture
def flat(shared: Path, tmp_path: Path) -> Path:
    """Folder of the real validation images that are lowest for their width: 8K images of the fewest pixels."""

    def height(file: Path) -> float:
        header = read_header(file.read_bytes())
        return header[1] / header[0]

    folder = tmp_path / "flat"
    folder.mkdir()
    for file in sorted((shared / "data/wider_images/WIDER_val").rglob("*.jpg"), key=height)[:IMAGES]:
        (folder / file.name).symlink_to(file)
    return folder


def command(shared: Path, images: Path, store: Path) -> list[str]:
    sets = [
        f"store={store}",
        f"faces.path={images}",
        "faces.dataset=image_folder",
        f"mobilenet.path={shared / 'data/weights/retinaface_mobilenet0.25_Final.pth'}",
        f"mobilenet.run.shard_rows={max(1, IMAGES // 5)}",
    ]
    words = [word for each in sets for word in ("--set", each)]
    return [sys.executable, "jobs/dump_8k.py", "-c", "configs/dump_8k.yaml", "--limit", str(IMAGES), *words]


def finished(store: Store) -> dict[str, int]:
    """Record of each finished shard -> when it was written."""
    files = Path(store.url).glob("mobilenet/*/shard-*.json")
    return {file.stem: file.stat().st_mtime_ns for file in files}


def in_work(store: Store) -> bool:
    return any(Path(store.url).glob("mobilenet/*/_inflight/*"))


def kill_at_a_random_moment(words: list[str], store: Store, chance: random.Random, first: bool) -> None:
    driver = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    before, limit = finished(store), time.monotonic() + 120
    while driver.poll() is None and time.monotonic() < limit:
        # The first time in the middle of the first shards, later times after at least one more was finished.
        if len(finished(store)) > len(before) or (first and in_work(store)):
            break
        time.sleep(0.05)
    time.sleep(chance.uniform(0.0, 1.0))
    assert driver.poll() is None, "it ended before it could be killed"
    kill_family(driver)


@pytest.mark.faults
def test_three_kills_change_nothing(shared, flat, tmp_path):
    # The quiet one in a process of its own, without Ray; the killed ones begin with the images indexed.
    subprocess.run([*command(shared, flat, tmp_path / "quiet"), "--local"], cwd=ROOT, check=True, timeout=300)
    shutil.rmtree(shutil.copytree(tmp_path / "quiet", tmp_path / "killed") / "mobilenet")
    chance, store = random.Random(11), Store(str(tmp_path / "killed"))
    kept: dict[str, int] = {}
    for kill in range(3):
        kill_at_a_random_moment(command(shared, flat, tmp_path / "killed"), store, chance, first=kill == 0)
        assert kept.items() <= finished(store).items(), "a finished shard was lost or computed again"
        kept = finished(store)
        assert not stored_manifests(store, "mobilenet"), "an unfinished dump must not look finished"
    assert kept
    subprocess.run(command(shared, flat, tmp_path / "killed"), cwd=ROOT, check=True, timeout=300)
    assert kept.items() <= finished(store).items()
    (killed,), (quiet,) = (stored_manifests(Store(str(tmp_path / name)), "mobilenet") for name in ("killed", "quiet"))
    assert [(s.name, s.content_hash) for s in killed.shards] == [(s.name, s.content_hash) for s in quiet.shards]
    rows = [row for table in Artifact(store, killed).tables() for row in read_detections(table)]
    assert len({row.image_id for row in rows}) == len(rows) == IMAGES
    assert all(len(row.boxes) == 5000 and row.error is None for row in rows)
