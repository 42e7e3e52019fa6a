"""Kind of a file by its first bytes, for messages about a file of another kind than expected."""

from __future__ import annotations

import re
from typing import Final

HEAD: Final = 512
"""Bytes that are enough to recognise every kind."""

_SIGNATURES: Final = (
    (b"version https://git-lfs", "a pointer of Git LFS instead of the file itself (git lfs pull fetches it)"),
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\x1f\x8b", "a gzip file"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ\x00", "an xz file"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"\x89HDF", "an HDF5 file (MATLAB 7.3 writes it: save again with -v7)"),
    (b"MATLAB 5.0", "a MATLAB file"),
    (b"PAR1", "a Parquet file"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"%PDF", "a PDF"),
    (b"\xff\xfe", "text in UTF-16 (save it as UTF-8)"),
    (b"\xfe\xff", "text in UTF-16 (save it as UTF-8)"),
    (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "a PyTorch file of the form before 1.6"),
    *((bytes((0x80, protocol)), "a Python pickle") for protocol in range(2, 6)),
)
_HTML: Final = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?<(!doctype html|html|head|!--)", re.IGNORECASE)
_XML: Final = re.compile(rb"\s*<\?xml")


def file_kind(data: bytes) -> str:
    """Returns the kind in words, such as ``an HTML page``; `data` is the first `HEAD` bytes of the file, or all."""
    if not data:
        return "an empty file"
    for start, words in _SIGNATURES:
        if data.startswith(start):
            return words
    if data[257:262] == b"ustar":
        return "a tar archive"
    head = data[:HEAD].removeprefix(b"\xef\xbb\xbf")
    if _HTML.match(head):
        return "an HTML page (a link's page was saved instead of the file)"
    if _XML.match(head):
        return "an XML file"
    if not head.strip(b"\0"):
        return "zeros only (a download that never ended)"
    if data[:1] == b"\x08" and data[2:3] in (b"\x12", b":"):
        return "an ONNX model"
    if data[8:9] == b"{" and int.from_bytes(data[:8], "little") < 1 << 40:
        return "a safetensors file"
    if head.lstrip()[:1] in (b"{", b"["):
        return "JSON text"
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:
            return f"bytes that start with {data[:8]!r}"
    printable = all(byte >= 32 or byte in b"\t\n\r\f" for byte in head)
    if not printable:
        return f"bytes that start with {data[:8]!r}"
    lines = head.decode("utf-8", errors="replace").strip().splitlines() or [""]
    return f"text that starts with {lines[0][:40]!r}"
