"""Copies of outputs at the store's top, for people to open: put there once, and known by size and checksum."""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.engine.checksummed_json import verified, with_checksum
from pipeline.engine.fingerprint import hash_bytes
from pipeline.engine.graph import Node
from pipeline.engine.manifest import Artifact
from pipeline.engine.storage import Store

COMPARED_BYTES = 2**20


def files_of(node: Node) -> list[str]:
    """Returns the names of the files that a node publishes."""
    return [pattern.format(node=node.name) for pattern in node.stage.exports]


def export_files(node: Node, artifact: Artifact) -> None:
    """Puts a node's copies, unless those that lie there are of this very output and as they were written.

    Raises:
        DamagedError: the output itself is damaged.
    """
    store, files = artifact.store, files_of(node)
    if not files:
        return
    content, written = _written(store, node)
    sizes = store.sizes("")
    there = all(name in written and _is_there(store, name, sizes, *written[name]) for name in files)
    if there and content == artifact.manifest.content_hash:
        return
    contents = dict(zip(files, node.stage.publish(list(artifact.rows())), strict=True))
    for name, data in contents.items():
        store.write(name, data)
    told = {name: [len(data), hash_bytes(data)] for name, data in contents.items()}
    store.write(_note(node), with_checksum({"content": artifact.manifest.content_hash, "files": told}))


def damaged_exports(store: Store, node: Node) -> list[str]:
    """Returns the copies whose bytes are not those that were put there, and sees to it that the next run puts them."""
    _, written = _written(store, node)
    found = {name: store.read_or_none(name) for name in written}
    bad = [name for name, data in found.items() if data is None or hash_bytes(data) != written[name][1]]
    if bad:
        store.delete(_note(node))
    return bad


def _is_there(store: Store, name: str, sizes: Mapping[str, int], size: int, expected: str) -> bool:
    if sizes.get(name) != size:
        return False
    # A table is printed from its copy. A large one is compared by `damaged_exports` alone: a run that has nothing to do
    # should not read all weights there are.
    return size > COMPARED_BYTES or hash_bytes(store.read(name)) == expected


def _note(node: Node) -> str:
    return f"{node.name}/published"


def _written(store: Store, node: Node) -> tuple[str, dict[str, tuple[int, str]]]:
    """Returns of which content the copies are, and their sizes and checksums; nothing where nobody knows."""
    try:
        told = verified(store.read_or_none(_note(node)) or b"{}")
        return str(told["content"]), {
            name: (int(size), str(content_hash)) for name, (size, content_hash) in told["files"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError):  # none, damaged, or of an earlier layout
        return "", {}
