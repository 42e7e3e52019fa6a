"""Objects that are only read: one request each, versions by content, and which trouble is whose."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from pipeline.engine import object_reader
from pipeline.engine.object_reader import ObjectReader, ObjectTooLargeError, UnreachableError
from pipeline.engine.storage import Store
from tests.engine.s3_proxy import Proxy, proxy


@pytest.fixture
def requests(s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    monkeypatch.setattr(object_reader, "RETRIES", 2)
    with proxy(os.environ["AWS_ENDPOINT_URL"]) as made:
        monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
        yield made


@pytest.fixture
def reader(requests: Proxy, s3_bucket: str) -> ObjectReader:
    return ObjectReader(s3_bucket)


@pytest.fixture
def folder(s3_bucket: str, tmp_path: Path) -> Callable[[dict[str, bytes]], str]:
    """Writes objects below a prefix of this test, and returns the prefix."""

    def write(content: dict[str, bytes]) -> str:
        for name, data in content.items():
            Store(f"{s3_bucket}/{tmp_path.name}").write(name, data)
        return tmp_path.name

    return write


def once(fault: object) -> Callable[[str, str], object]:
    """Returns a fault of the first request only."""
    left = [fault]
    return lambda method, path: left.pop() if left else None


def test_an_object_is_one_request(reader, requests, folder):
    prefix = folder({"a b%20#é.jpg": b"12345"})
    requests.taken()
    assert reader.read(f"{prefix}/a b%20#é.jpg", 5) == b"12345"
    assert [method for method, _ in requests.taken()] == ["GET"]
    assert reader.beginning(f"{prefix}/a b%20#é.jpg", 2) == b"12"
    assert reader.beginning(f"{prefix}/a b%20#é.jpg", 99) == b"12345"


def test_more_bytes_than_wanted_are_not_read(reader, folder):
    with pytest.raises(ObjectTooLargeError, match="an object of 5 bytes, and none of more than 4 is read"):
        reader.read(f"{folder({'a': b'12345'})}/a", 4)


def test_a_version_changes_with_the_bytes_and_not_with_the_time(reader, folder):
    prefix = folder({"a": b"1"})
    before = reader.facts(f"{prefix}/a")
    folder({"a": b"1"})
    assert reader.facts(f"{prefix}/a") == before
    folder({"a": b"2"})
    after = reader.facts(f"{prefix}/a")
    assert after.size == before.size == 1
    assert after.version != before.version
    assert re.fullmatch(r"1:[0-9a-f]{32}", after.version)


@pytest.mark.parametrize("most", [0, 32])
def test_what_is_below_a_folder(reader, folder, monkeypatch, most):
    monkeypatch.setattr(object_reader, "_LISTINGS", most or 1)  # in one listing, or the folders beside each other
    prefix = folder({"x": b"1", "a/y": b"22", "a/b/z": b"333", "c/y": b"1", "a2": b""})
    for marker in ("a/", "a/b/"):  # as a console makes a folder
        urlopen(Request(f"{os.environ['AWS_ENDPOINT_URL']}/bucket/{prefix}/{marker}", b"", method="PUT")).close()
    found = dict(reader.below(prefix))
    assert {name: facts.size for name, facts in found.items()} == {"x": 1, "a/y": 2, "a/b/z": 3, "c/y": 1, "a2": 0}
    assert all(facts == reader.facts(f"{prefix}/{name}") for name, facts in found.items())
    files, folders = reader.inside(prefix)
    assert (sorted(files), folders) == (["a2", "x"], ["a", "c"])
    assert reader.inside(f"{prefix}/a")[0].keys() == {"y"}
    assert [reader.holds(f"{prefix}{each}") for each in ("", "/a", "/none", "/x")] == [True, True, False, False]
    assert list(reader.below(f"{prefix}/none")) == []


def test_what_is_not_there(reader, requests, folder):
    with pytest.raises(FileNotFoundError, match=r"no such object: 's3://bucket/\w+/none'"):
        reader.read(f"{folder({'a': b''})}/none", 9)
    for act in (lambda lost: lost.read("a", 9), lambda lost: lost.inside("a"), lambda lost: list(lost.below(""))):
        with pytest.raises(UnreachableError, match=r"^s3://no-such-bucket: no such bucket$"):
            act(ObjectReader("s3://KEYID:S3cr3t@no-such-bucket"))


@pytest.mark.parametrize("fault", [(503, "SlowDown"), (500, "InternalError"), "cut"])
def test_passing_trouble_is_tried_again(reader, requests, folder, fault):
    prefix = folder({"a": b"1" * 10_000})
    requests.fault = once(fault)
    requests.taken()
    assert reader.read(f"{prefix}/a", 10_000) == b"1" * 10_000
    assert len(requests.taken()) == 2
    for act in (lambda: dict(reader.below(prefix)).keys() == {"a"}, lambda: reader.holds(prefix)):
        requests.fault = once(fault)
        assert act()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ((503, "SlowDown"), "the store answers SlowDown: spoilt"),
        ((400, "ExpiredToken"), "the store answers ExpiredToken"),
        ((403, "InvalidAccessKeyId"), "the store answers InvalidAccessKeyId"),
        ("cut", "the store does not answer"),
    ],
)
def test_lasting_trouble_is_the_stores_and_one_line(reader, requests, folder, fault, words):
    prefix = folder({"a": b"1" * 10_000})
    requests.fault = lambda method, path: fault
    with pytest.raises(UnreachableError) as caught:
        reader.read(f"{prefix}/a", 10_000)
    assert str(caught.value).startswith(f"s3://bucket/{prefix}/a: {words}")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidObjectState"])
def test_an_object_that_may_not_be_read_or_is_archived_is_its_own_error(reader, requests, folder, code):
    prefix = folder({"a": b"1"})
    requests.fault = lambda method, path: (403, code)
    with pytest.raises(PermissionError, match=f"the store refuses to give it \\({code}\\)"):
        reader.read(f"{prefix}/a", 9)
    with pytest.raises(UnreachableError, match=f"the store answers {code}"):
        reader.inside(prefix)  # what may not be listed is the store's


def test_a_server_that_is_not_there(monkeypatch):
    monkeypatch.setattr(object_reader, "RETRIES", 1)
    for name, value in (("ENDPOINT_URL", "http://127.0.0.1:9"), ("ACCESS_KEY_ID", "k"), ("SECRET_ACCESS_KEY", "s")):
        monkeypatch.setenv(f"AWS_{name}", value)
    with pytest.raises(UnreachableError, match=r"^s3://bucket: the store does not answer: HTTP error"):
        ObjectReader("s3://bucket").inside("")


def test_names_that_cannot_be_listed_are_said(reader, folder):
    prefix = folder({"a": b"1"})
    urlopen(Request(f"{os.environ['AWS_ENDPOINT_URL']}/bucket/{prefix}//b", b"1", method="PUT")).close()
    with pytest.raises((ValueError, OSError), match="empty path segment"):
        list(reader.below(prefix))


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("ftp://KEY:S3cr3t@host/x", r"expected s3://, gs://, gcs://, az://, found ftp://\*\*\*@host"),
        ("s3://bucket?colour=red", "expected of the options endpoint_override, region, scheme only, found colour"),
        (
            "gs://bucket?secret_key=red",
            "gs://bucket: expected of the options endpoint_override, scheme only, found secret_key",
        ),
    ],
)
def test_addresses_of_another_kind(address, words):
    with pytest.raises(ValueError, match=words) as caught:
        ObjectReader(address)
    assert "S3cr3t" not in str(caught.value)


def test_google_storage_whose_protocol_for_reading_is_that_of_s3(s3_bucket, tmp_path, monkeypatch):
    """No emulator of it is a Python package: the S3 server answers, as both name and list objects in one way."""
    prefix, public = tmp_path.name, {"x-amz-acl": "public-read", "Content-Type": "image/jpeg"}
    url = f"{os.environ['AWS_ENDPOINT_URL']}/bucket/{prefix}/a/b%20c.jpg"
    urlopen(Request(url, b"12345", public, method="PUT")).close()
    account = {
        "gcs_base_url": os.environ["AWS_ENDPOINT_URL"],
        "disable_oauth": True,
        "client_email": "",
        "private_key": "",
    }
    (tmp_path / "account.json").write_text(json.dumps({**account, "private_key_id": ""}))
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT", str(tmp_path / "account.json"))
    reader = ObjectReader("gs://bucket")
    assert [name for name, _ in reader.below(prefix)] == ["a/b c.jpg"]
    assert reader.read(f"{prefix}/a/b c.jpg", 5) == b"12345"
    with pytest.raises(FileNotFoundError, match="gs://bucket"):
        reader.read(f"{prefix}/none", 5)
