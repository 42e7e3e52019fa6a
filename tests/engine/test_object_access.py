"""Stores and images on Google Storage and Azure: what the engine does with S3, and who wins where two write.

obstore speaks the XML protocol of Google Storage, and the emulators in package registries its JSON one: the benchmark's
stand-in answers. Azure is Azurite, `npm install azurite`, where it is on the path or `WIDER8K_AZURITE` names it.
"""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import urlopen

import pyarrow.fs as pafs
import pytest

from jobs.benchmarks.slow_s3 import BUCKET, slow_s3
from pipeline.engine.lock import LOCK_FILE, StoreLock, StoreLockedError
from pipeline.engine.object_access import file_system, open_objects
from pipeline.engine.object_reader import ObjectReader, UnreachableError
from pipeline.engine.storage import Store
from tests.engine.conftest import CONFIG, World
from tests.engine.test_runner import NeverExecutor
from tests.processes import free_port, wait_for

AZURITE = os.environ.get("WIDER8K_AZURITE") or shutil.which("azurite-blob")
ACCOUNT = {  # the only one that Azurite has, published with it
    "AZURE_STORAGE_ACCOUNT_NAME": "devstoreaccount1",
    "AZURE_STORAGE_ACCOUNT_KEY": "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
}


@pytest.fixture(scope="module")
def google() -> Iterator[dict[str, str]]:
    with slow_s3() as url:
        account = {"gcs_base_url": url, "disable_oauth": True, "client_email": "", "private_key": ""}
        yield {"GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps(account | {"private_key_id": ""})}


@pytest.fixture(scope="module")
def azure() -> Iterator[dict[str, str]]:
    if AZURITE is None:
        pytest.skip("no azurite-blob on the path and no WIDER8K_AZURITE: npm install azurite")
    port = free_port()
    command = [AZURITE, "--blobHost", "127.0.0.1", "--blobPort", str(port), "--inMemoryPersistence", "--silent"]
    server = subprocess.Popen([*command, "--skipApiVersionCheck", "--disableTelemetry"])
    variables = {**ACCOUNT, "AZURE_ENDPOINT": f"http://127.0.0.1:{port}/devstoreaccount1"}
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            wait_for(server, lambda: _answers(port))
            file_system(f"az://{BUCKET}")[0].create_dir(BUCKET)
        yield variables
    finally:
        server.terminate()
        server.wait()


def _answers(port: int) -> bool:
    try:
        urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
    except OSError as error:
        return "HTTP Error" in str(error)
    return True


@pytest.fixture(params=["gs", pytest.param("az", marks=pytest.mark.faults)])
def address(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    variables = request.getfixturevalue({"gs": "google", "az": "azure"}[request.param])
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return f"{request.param}://{BUCKET}/{tmp_path.name}"


@pytest.fixture
def store(address: str) -> Store:
    return Store(address)


def test_files_are_written_read_listed_and_deleted(store: Store) -> None:
    for name in ("n/a & b%20#é.json", "n/b-1.json", "n/deep/er/x", "n2/y"):
        store.write(name, name.encode())
    assert store.read("n/a & b%20#é.json") == "n/a & b%20#é.json".encode()
    assert store.sizes("n") == {"a & b%20#é.json": 18, "b-1.json": 10}
    assert store.folders() == ["n", "n2"]
    assert store.named("n", "b-") == ["b-1.json"]
    assert store.weight("n") == 18 + 10 + 11
    assert store.read_or_none("n/none") is None
    assert store.read_buffer("none") is None
    with pytest.raises(FileNotFoundError, match="no such object"):
        store.read("none")
    store.delete("none", "n/b-1.json", "neither", "n2/y")
    assert set(store.below("")) == {"n/a & b%20#é.json", "n/deep/er/x"}
    store.delete_folder("n")
    assert store.below("") == {}
    pickle.loads(pickle.dumps(store)).write("x", b"y")
    assert list(store.read_all(["x", "none"])) == [b"y", None]


def test_of_two_that_create_or_swap_a_file_one_wins(store: Store) -> None:
    assert [store.create("lock", b"1"), store.create("lock", b"2")] == [True, False]
    assert not store.swap("none", b"1", b"2")
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda number: store.swap("lock", b"1", b"by %d" % number), range(8)))
    assert made.count(True) == 1
    assert store.read("lock") == b"by %d" % made.index(True)


def test_a_run_resumes_and_holds_a_lock(store: Store, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG.format(store=store.url, folder=tmp_path))
    world = World(tmp_path, store)
    world.numbers(range(10))
    with StoreLock(store, "first"):
        assert len(world.run().computed) == 4
        with pytest.raises(StoreLockedError, match=r"in use by process .*first"), StoreLock(store, "second"):
            pass
    assert LOCK_FILE not in store.sizes("")
    assert world.total() == sum(n**2 + n**3 for n in range(10))
    assert world.run(executor=NeverExecutor).computed == []


def test_images_are_listed_and_read(store: Store, address: str) -> None:
    store.write("a/b c.jpg", b"12345")
    store.write("a/d/e.jpg", b"1")
    prefix = address.rpartition("/")[2]
    reader = ObjectReader(address.removesuffix(f"/{prefix}"))
    found = dict(reader.below(prefix))
    assert {name: facts.size for name, facts in found.items()} == {"a/b c.jpg": 5, "a/d/e.jpg": 1}
    assert reader.facts(f"{prefix}/a/b c.jpg") == found["a/b c.jpg"]
    assert reader.read(f"{prefix}/a/b c.jpg", 5) == b"12345"
    assert reader.beginning(f"{prefix}/a/b c.jpg", 2) == b"12"
    with pytest.raises(FileNotFoundError):
        reader.read(f"{prefix}/none", 5)


@pytest.mark.faults
def test_of_a_container_that_is_not_there_a_line_says_so(
    azure: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in azure.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UnreachableError, match="az://none: no such bucket"):
        list(ObjectReader("az://none").below("x"))


@pytest.mark.faults
def test_pyarrow_reads_what_is_stored_on_azure(azure: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The way of Ray Train, and of those who read parts of a file."""
    for name, value in azure.items():
        monkeypatch.setenv(name, value)
    store = Store(f"az://{BUCKET}/parts")
    store.write("a/x", b"0123456789")
    filesystem = pickle.loads(pickle.dumps(store.filesystem))
    assert isinstance(filesystem, pafs.AzureFileSystem)
    with filesystem.open_input_file(store.path("a/x")) as file:
        assert file.read_at(3, 4) == b"456"
    with filesystem.open_output_stream(store.path("a/y")) as file:
        file.write(b"1")
    assert store.read("a/y") == b"1"


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("ftp://KEY:S3cr3t@host/x", r"expected s3://, gs://, gcs://, az://, found ftp://\*\*\*@host"),
        ("az://container/x?sig=S3cr3t", r"az://container: expected no options after \?, found sig"),
        ("az://account:S3cr3t@container/x", "az://container: expected no keys in the address"),
        ("gs://KEY:S3cr3t@bucket/x", "gs://bucket: expected no keys in the address"),
    ],
)
def test_an_address_that_cannot_be_opened_is_refused_without_its_keys(address: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as refused:
        open_objects(address)
    assert "S3cr3t" not in str(refused.value)


def test_of_azure_without_an_account_a_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AZURE_")]:
        monkeypatch.delenv(name)
    with pytest.raises(ValueError, match=r"^store: cannot open az://container/x: .*AZURE_STORAGE_ACCOUNT_NAME"):
        Store("az://container/x").read_or_none("y")
    with pytest.raises(ValueError, match="AZURE_STORAGE_ACCOUNT_NAME"):
        Store("az://container/x").path()


def test_a_store_on_azure_can_be_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "mine")
    store = open_objects("az://container/x")
    assert "container" in repr(store)
    assert store.config["account_name"] == "mine"


def test_the_server_of_google_storage_is_in_the_address_or_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    address = "gs://anonymous@bucket/x?endpoint_override=127.0.0.1:4443&scheme=http"
    config = open_objects(address).config
    assert (config["base_url"], config["skip_signature"]) == ("http://127.0.0.1:4443", "true")
    assert Store(address).path("y") == "bucket/x/y"
