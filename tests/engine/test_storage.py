from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.engine.storage import Store, is_remote


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "local":
        return Store(str(tmp_path / "store"))
    return Store(request.getfixturevalue("s3_bucket") + f"/{tmp_path.name}")


def test_files_are_written_read_listed_and_deleted(store):
    store.write("a/b/one.bin", b"1")
    store.write("a/b/two.bin", b"22")
    store.write("a/b/two.bin", b"222")
    assert store.read("a/b/two.bin") == b"222"
    assert store.sizes("a/b") == {"one.bin": 1, "two.bin": 3}
    assert store.folders("a") == ["b"]
    store.delete("a/b/one.bin")
    store.delete("a/b/one.bin")
    assert store.sizes("a/b") == {"two.bin": 3}
    store.delete_folder("a/b")
    store.delete_folder("a/b")
    assert store.sizes("a/b") == {}


def test_what_is_absent_reads_as_none(store):
    assert store.read_or_none("nowhere/at/all") is None
    assert store.read_buffer("nowhere/at/all") is None
    assert store.sizes("nowhere") == {}
    assert store.folders("nowhere") == []
    with pytest.raises(FileNotFoundError):
        store.read("nowhere/at/all")


def test_create_makes_a_file_once(store):
    assert store.create("lock", b"first")
    assert not store.create("lock", b"second")
    assert store.read("lock") == b"first"
    assert set(store.sizes("")) == {"lock"}


def test_a_store_travels_to_workers(store):
    store.write("x", b"y")
    assert pickle.loads(pickle.dumps(store)).read("x") == b"y"


def test_a_local_store_means_the_same_folder_from_everywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PLACE", "deep")
    assert Store("./$PLACE/store").url == str(tmp_path / "deep" / "store")
    assert not is_remote("./x")
    assert is_remote("gs://bucket/x")


def test_keys_in_the_url_open_the_store_and_are_never_seen(s3_bucket, tmp_path, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    bucket, region = s3_bucket.removeprefix("s3://"), "region=us-east-1"
    store = Store(f"s3://KEYID:S3cr3t@{bucket}/{tmp_path.name}?{region}")
    assert store.url == f"s3://{bucket}/{tmp_path.name}?{region}"
    assert "S3cr3t" not in f"{store} {store!r} {store.path('x')}"
    pickle.loads(pickle.dumps(store)).write("x", b"y")
    assert store.read("x") == b"y"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("s3://KEYID:S3cr3t@bucket/x?nonsense=1", r"store: cannot open s3://bucket/x\?nonsense=1: .*AWS_ACCESS_KEY_ID"),
        ("s3://KEYID:S3/cr3t@bucket/x", r"store: cannot open s3://bucket/x: .*AWS_ACCESS_KEY_ID"),
        ("s3://bucket/x?secret_key=S3cr3t", r"store: cannot open s3://bucket/x: .*AWS_ACCESS_KEY_ID"),
        (
            "s3a://KEYID:S3cr3t@bucket/x",
            r"store: expected a folder, s3://, gs:// or az://, found s3a://\*\*\*@bucket/x",
        ),
        ("file:///tmp/x", "store: expected a folder, s3://, gs:// or az://, found file:///tmp/x"),
    ],
)
def test_a_url_that_cannot_be_opened_is_refused_without_its_keys(url, words):
    with pytest.raises(ValueError, match=words) as refused:
        Store(url).path()
    assert "cr3t" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_writer_killed_at_any_moment_leaves_the_old_file_or_the_new_one(tmp_path):
    code = (
        "from pipeline.engine.storage import Store; s = Store(r'%s')\n"
        "while True:\n  s.write('f', b'a' * 400_000)\n  s.write('f', b'b' * 500_000)\n" % tmp_path
    )
    for delay in (0.02, 0.05, 0.09):
        process = subprocess.Popen([sys.executable, "-c", code])
        while not (tmp_path / "f").exists():
            time.sleep(0.01)
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert (tmp_path / "f").read_bytes() in (b"a" * 400_000, b"b" * 500_000)
        (tmp_path / "f").unlink()
