"""Keys in the store's URL: used, and neither printed nor stored by anything a run says or leaves."""

from __future__ import annotations

import os
import re
import shlex
import sys

import numpy as np
import pytest

from pipeline.data.images import encode_png
from pipeline.engine.lock import StoreLock, StoreLockedError
from pipeline.engine.storage import Store
from stages.cli.main import main

CONFIG = """
name: keys
store: nowhere
nodes:
  faces: {stage: index, dataset: {kind: synthetic, images: 2}}
  photos: {stage: index, dataset: {kind: image_folder}, path: "https://me:S3cr3t@host/photos"}
  detector: {stage: train_detector, inputs: {samples: faces}, recipe: {steps: 2, images: 2}}
"""


@pytest.fixture
def command(tmp_path, monkeypatch, capfd):
    """Returns a function that runs `wider8k` with words, and gives back its exit status and all it printed."""
    (tmp_path / "config.yaml").write_text(CONFIG)

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["wider8k", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capfd.readouterr()
        assert "S3cr3t" not in printed.out + printed.err
        assert "KEYID" not in printed.out + printed.err
        return int(ended.value.code or 0), printed.out + printed.err

    return run


def test_keys_are_used_and_never_shown(command, s3_bucket, tmp_path):
    config, place = str(tmp_path / "config.yaml"), f"{s3_bucket.removeprefix('s3://')}/{tmp_path.name}"
    url = f"s3://KEYID:S3cr3t@{place}?region=us-east-1"
    words = ["run", "-c", config, "--local", "--set", f"store={url}"]
    code, said = command(*words, "--only", "faces")
    assert code == 0, said
    code, said = command(*words, "--only", "photos")
    assert code == 2
    assert "***@host/photos" in said
    code, said = command("plan", "-c", config, "--set", f"store={url}")
    assert code == 2
    assert "***@host/photos" in said
    with StoreLock(Store(url), f"wider8k run --set store={url}"):
        code, said = command(*words)
        assert code == 3
        assert f"s3://{place}?region=us-east-1 is in use by" in said
        with pytest.raises(StoreLockedError) as locked, StoreLock(Store(url), "second"):
            pass
        assert "S3cr3t" not in str(locked.value)
    assert stored(Store(url)), "nothing was stored there"
    assert not [name for name, data in stored(Store(url)).items() if b"S3cr3t" in data or b"KEYID" in data]


def test_keys_of_a_dataset_are_used_and_never_shown(command, stored, tmp_path):
    folder, host = tmp_path / "photos", os.environ["AWS_ENDPOINT_URL"].removeprefix("http://")
    folder.mkdir()
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(encode_png(np.full((60, 80, 3), 100, np.uint8)))
    (folder / "broken.png").write_text("plain text")
    (folder / "note.txt").write_text("no image")
    place = stored(folder).replace("s3://", "s3://KEYID:S3cr3t@")
    url = f"{place}?scheme=http&endpoint_override={host}"
    words = ["-c", str(tmp_path / "config.yaml"), "--set", f"store={tmp_path / 'store'}", "--only", "photos"]
    code, said = command("run", "--local", *words, "--set", f"photos.path={url}")
    assert code == 0, said
    assert "1 of 3 rows are errors" in said
    assert "note.txt" in said
    for path in (f"{place}?colour=red", url.replace("/photos?", "/none?"), url.replace("@bucket", "@no-such-bucket")):
        for act in ("plan", "explain photos", "status"):
            command(*act.split(), *words[: 2 if act == "status" else 4], "--set", f"photos.path={path}")
        code, said = command("run", "--local", *words, "--set", f"photos.path={path}")
        assert code == 2, said
    files = [file.read_bytes() for file in (tmp_path / "store").rglob("*") if file.is_file()]
    assert files
    assert not [data for data in files if b"S3cr3t" in data or b"KEYID" in data]


def test_the_command_to_go_on_works_with_the_keys_it_names(command, s3_bucket, tmp_path):
    config, place = str(tmp_path / "config.yaml"), f"{s3_bucket.removeprefix('s3://')}/{tmp_path.name}"
    words = ["run", "-c", config, "--local", "--set", f"store=s3://KEYID:S3cr3t@{place}?region=us-east-1"]
    code, said = command(*words, "--only", "detector")
    assert code == 1, said
    again = re.search(r"resume with: wider8k (.*) \(keys and passwords are left out of its URLs: set (.*)\)", said)
    assert again, said
    assert again[2] == "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"  # the fixture sets both
    assert f"store=s3://{place}?region=us-east-1" in shlex.split(again[1])
    code, said = command(*["faces" if word == "detector" else word for word in shlex.split(again[1])])
    assert code == 0, said
    assert "1 computed" in said


def test_a_config_that_cannot_be_read_shows_no_keys(command, tmp_path):
    code, said = command(
        "plan", "-c", str(tmp_path / "config.yaml"), "--set", "detector.recipe.steps=s3://KEYID:S3cr3t@b/x"
    )
    assert code == 2
    assert "s3://***@b/x" in said


def stored(store: Store) -> dict[str, bytes]:
    """Returns name -> bytes of every file of a store."""

    def names(folder: str) -> list[str]:
        here = [f"{folder}{name}" for name in store.sizes(folder.rstrip("/"))]
        return here + [name for each in store.folders(folder.rstrip("/")) for name in names(f"{folder}{each}/")]

    return {name: store.read(name) for name in names("")}
