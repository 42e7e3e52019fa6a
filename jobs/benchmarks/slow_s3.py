"""A stand-in for S3 that answers every request after a set time, or with 503: objects in memory, listings by name.

It does what the engine asks for: get, also a part, put (under a condition, or in parts), list, delete one or many. It
knows one bucket and checks no signature. (moto's listing looks through all objects for each thousand it gives: half a
second of 60,000.) To a client of Google Storage it answers as that does: its condition is the number of an object's
last write, and an object that is not there cannot be deleted.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import multiprocessing
import os
import random
import re
import urllib.request
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from urllib.parse import unquote
from xml.sax.saxutils import escape, unescape

from aiohttp import web

BUCKET = "bucket"
_PAGE = 1000


class _Objects:
    """The bucket: what is stored, in order, how long a request takes, and what share of them is refused."""

    def __init__(self) -> None:
        self.data: dict[str, bytes] = {}
        self.names: list[str] = []
        self.parts: dict[str, dict[int, bytes]] = {}
        self.tags: dict[str, str] = {}
        self.writes = dict[str, int]()  # how often each name was written
        self.seconds, self.refused, self.requests = 0.0, 0.0, 0
        self.chance = random.Random(0)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/":
            written = "written" in request.query
            return web.json_response({n: self.writes[n] for n in self.names}) if written else self._set(request)
        self.requests += 1
        body = _plain(await request.read(), request.headers)
        await asyncio.sleep(self.seconds)
        if self.chance.random() < self.refused:
            return web.Response(status=503, content_type="application/xml", text=_REFUSED)
        key = unquote(request.raw_path.partition("?")[0]).removeprefix(f"/{BUCKET}").lstrip("/")
        if not key:
            return self._delete_many(body) if request.method == "POST" else self._list(request)
        if request.query.keys() & {"uploads", "uploadId"}:
            return self._in_parts(key, body, request)
        if request.method == "PUT":
            return self._put(key, body) if self._holds(key, request.headers) else _failed()
        if request.method == "DELETE":
            known = key in self.data or "x-amz-date" in request.headers
            self._delete(key)
            return web.Response(status=204 if known else 404)
        if key not in self.data:
            return web.Response(status=404, text="<Error><Code>NoSuchKey</Code></Error>")
        return self._get(key, request.headers.get("Range", ""))

    def _set(self, request: web.Request) -> web.Response:
        """Sets the seconds of a request and the share refused; returns how many there were since the last time."""
        self.seconds, self.refused = float(request.query["seconds"]), float(request.query["refused"])
        count, self.requests = self.requests, 0
        return web.Response(text=str(count))

    def _get(self, key: str, wanted: str) -> web.Response:
        data, headers = self.data[key], self._facts(key)
        if not (found := re.fullmatch(r"bytes=(\d+)-(\d*)", wanted)):
            return web.Response(body=data, headers=headers)
        start, end = int(found[1]), min(int(found[2] or len(data)), len(data) - 1)
        headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
        return web.Response(status=206, body=data[start : end + 1], headers=headers)

    def _holds(self, key: str, wanted: Mapping[str, str]) -> bool:
        """Returns whether the conditions of a write are met, those of S3 and that of Google Storage."""
        if wanted.get("If-None-Match") == "*" and key in self.data:
            return False
        if (tag := wanted.get("If-Match")) and tag.strip('"') != self.tags.get(key):
            return False
        number = wanted.get("x-goog-if-generation-match")
        return number is None or number == str(self.writes.get(key, 0) if key in self.data else 0)

    def _put(self, key: str, body: bytes) -> web.Response:
        if key not in self.data:
            insort(self.names, key)
        self.data[key], self.tags[key] = body, hashlib.md5(body, usedforsecurity=False).hexdigest()
        self.writes[key] = self.writes.get(key, 0) + 1
        return web.Response(headers=self._facts(key))

    def _facts(self, key: str) -> dict[str, str]:
        return _headers(self.tags[key]) | {"x-goog-generation": str(self.writes[key])}

    def _in_parts(self, key: str, body: bytes, request: web.Request) -> web.Response:
        """Begins an upload in parts, takes one of them, or puts them together."""
        parts = self.parts.setdefault(key, {})
        if request.method == "PUT":
            parts[int(request.query["partNumber"])] = body
            return web.Response(headers=_headers("0"))
        if "uploads" in request.query:
            return web.Response(content_type="application/xml", text=_BEGUN)
        self._put(key, b"".join(parts[number] for number in sorted(parts)))
        del self.parts[key]
        return web.Response(content_type="application/xml", text=_COMPLETED)

    def _delete(self, key: str) -> None:
        if self.data.pop(key, None) is not None:
            del self.names[bisect_left(self.names, key)]

    def _delete_many(self, body: bytes) -> web.Response:
        keys = re.findall(r"<Key>(.*?)</Key>", body.decode())
        for key in keys:
            self._delete(unescape(key))
        gone = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
        return web.Response(content_type="application/xml", text=f"<DeleteResult>{gone}</DeleteResult>")

    def _list(self, request: web.Request) -> web.Response:
        prefix, delimiter = request.query.get("prefix", ""), request.query.get("delimiter", "")
        after = request.query.get("continuation-token") or request.query.get("start-after", "")
        place = max(bisect_left(self.names, prefix), bisect_right(self.names, after))
        found, folders = list[str](), list[str]()
        while place < len(self.names) and self.names[place].startswith(prefix) and len(found) + len(folders) < _PAGE:
            name = self.names[place]
            rest = name[len(prefix) :]
            if delimiter and delimiter in rest:
                folders.append(prefix + rest.partition(delimiter)[0] + delimiter)
                place = bisect_left(self.names, folders[-1] + chr(0x10FFFF))
            else:
                found.append(name)
                place += 1
        more = place < len(self.names) and self.names[place].startswith(prefix)
        facts = {name: (len(self.data[name]), self.tags[name]) for name in found}
        text = _listing(facts, folders, self.names[place - 1] if more else None)
        return web.Response(content_type="application/xml", text=text)


_REFUSED = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
_BEGUN = "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
_COMPLETED = '<CompleteMultipartUploadResult><ETag>"0"</ETag></CompleteMultipartUploadResult>'
_OBJECT = (
    "<Contents><Key>{}</Key><Size>{}</Size><LastModified>2021-01-01T00:00:00.000Z</LastModified>"
    '<ETag>"{}"</ETag></Contents>'
)


def _failed() -> web.Response:
    return web.Response(status=412, text="<Error><Code>PreconditionFailed</Code></Error>")


def _plain(body: bytes, headers: Mapping[str, str]) -> bytes:
    """Returns what a body holds; pyarrow's client sends it in chunks with their sizes, and checksums after them."""
    if not headers.get("x-amz-content-sha256", "").startswith("STREAMING-"):
        return body
    found, place = [], 0
    while size := int(body[place : (end := body.index(b"\r\n", place))].partition(b";")[0], 16):
        found.append(body[end + 2 : end + 2 + size])
        place = end + 2 + size + 2
    return b"".join(found)


def _headers(tag: str) -> dict[str, str]:
    return {"ETag": f'"{tag}"', "Last-Modified": "Fri, 01 Jan 2021 00:00:00 GMT"}


def _listing(facts: dict[str, tuple[int, str]], folders: list[str], last: str | None) -> str:
    """Returns a page of a listing; `last` is the name that the next page begins after, None on the last one."""
    objects = "".join(_OBJECT.format(escape(name), *each) for name, each in facts.items())
    prefixes = "".join(f"<CommonPrefixes><Prefix>{escape(each)}</Prefix></CommonPrefixes>" for each in folders)
    token = "" if last is None else f"<NextContinuationToken>{escape(last)}</NextContinuationToken>"
    truncated = f"<IsTruncated>{str(last is not None).lower()}</IsTruncated>"
    return f"<ListBucketResult>{truncated}{objects}{prefixes}{token}</ListBucketResult>"


def _serve(port: Connection) -> None:
    async def main() -> None:
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{rest:.*}", _Objects().answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, backlog=256)
        await site.start()
        port.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    asyncio.run(main())


def wait(url: str, seconds: float, refused: float = 0.0) -> int:
    """Makes every later request to a stand-in take so long; returns how many there were since the last call.

    `refused` is the share of them that is answered by 503, as S3 does when there are too many.
    """
    with urllib.request.urlopen(f"{url}/?seconds={seconds}&refused={refused}", timeout=60) as answer:
        return int(answer.read())


def writes(url: str) -> dict[str, int]:
    """Returns the names of all objects of a stand-in, each with how often it was written; takes no time."""
    with urllib.request.urlopen(f"{url}/?written", timeout=60) as answer:
        found: dict[str, int] = json.loads(answer.read())
        return found


@contextmanager
def slow_s3() -> Iterator[str]:
    """Runs the stand-in in a process of its own, and yields its URL, to which this environment then points."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{ours.recv()}"
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict(zip(names, ("any", "any", "us-east-1", url), strict=True)))
    try:
        yield url
    finally:
        server.kill()
        server.join()
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
