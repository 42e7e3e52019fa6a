"""Copies of outputs for people, at the store's top: written once, and known by size and content hash."""

from __future__ import annotations

from pipeline.engine.checksummed_json import verified, with_checksum
from pipeline.engine.fingerprint import hash_bytes
from pipeline.engine.graph import Node
from pipeline.engine.manifest import Artifact
from pipeline.engine.storage import Store

COMPARED_BYTES = 2**20


def export_files(node: Node, artifact: Artifact) -> None:
    """Writes a node's copies, unless those in the store are of this output and as they were written.

    Raises DamagedError if the output itself is damaged.
    """
    store, exports = artifact.store, node.stage.exports(node.name)
    if not exports:
        return
    content_hash, written = _written(store, node)
    if content_hash == artifact.manifest.content_hash and exports.keys() <= written.keys():
        sizes = store.sizes("")
        # A large copy is compared by `damaged_exports` alone: a run without work should not read all weights there are.
        if all(
            sizes.get(name) == size and (size > COMPARED_BYTES or hash_bytes(store.read(name)) == expected)
            for name, (size, expected) in written.items()
        ):
            return
    rows = list(artifact.rows())
    files = {}
    for name, encode in exports.items():
        data = encode(rows)
        store.write(name, data)
        files[name] = (len(data), hash_bytes(data))
    fields = {"content_hash": artifact.manifest.content_hash, "files": files}
    store.write(_record(node), with_checksum(fields))


def damaged_exports(store: Store, node: Node) -> list[str]:
    """Returns the copies whose bytes are not those that were written, and makes the next run write them again."""
    _, written = _written(store, node)
    found = {name: store.read_or_none(name) for name in written}
    bad = [name for name, data in found.items() if data is None or hash_bytes(data) != written[name][1]]
    if bad:
        store.delete(_record(node))
    return bad


def _record(node: Node) -> str:
    return f"{node.name}/exports.json"


def _written(store: Store, node: Node) -> tuple[str, dict[str, tuple[int, str]]]:
    """Returns the content hash of the exported output, and size and hash of each copy; nothing without a record."""
    try:
        fields = verified(store.read_or_none(_record(node)) or b"")
        files = {name: (int(size), str(content_hash)) for name, (size, content_hash) in fields["files"].items()}
        return str(fields["content_hash"]), files
    except (ValueError, KeyError, TypeError, AttributeError):
        return "", {}
