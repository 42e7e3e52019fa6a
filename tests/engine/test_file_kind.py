from __future__ import annotations

import gzip
import io
import pickle
import tarfile
import zipfile

import pytest

from pipeline.engine.file_kind import HEAD, file_kind


def _zip() -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("a.txt", "a")
    return sink.getvalue()


def _tar() -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.txt"))
    return sink.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "an empty file"),
        (_zip(), "a zip archive"),
        (_tar(), "a tar archive"),
        (gzip.compress(b"a", mtime=0), "a gzip file"),
        (b"<html><body>not found", "an HTML page"),
        (b"\xef\xbb\xbf  <!doctype HTML>", "an HTML page"),
        (b"<?xml version='1.0'?>\n<!DOCTYPE html>", "an HTML page"),
        (b"<?xml version='1.0'?>\n<annotation>", "an XML file"),
        ("a,b".encode("utf-16"), "text in UTF-16 (save it as UTF-8)"),
        (b"\x08\x08\x12\x07pytorch\x1a\x05", "an ONNX model"),
        (bytes(600), "zeros only"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        (b"PAR1xx", "a Parquet file"),
        (pickle.dumps({"a": 1}), "a Python pickle"),
        (b'{"images": []}', "JSON text"),
        (b"0 0.5 0.5 0.1 0.1\n", "text that starts with '0 0.5 0.5 0.1 0.1'"),
        ("é".encode() * HEAD, "text that starts with 'é"),
        (b"\x00\x01\xfe\xff" * 4, "bytes that start with"),
    ],
)
def test_what_a_file_is(data: bytes, words: str) -> None:
    assert file_kind(data[:HEAD]).startswith(words)
