"""Where a stage gets an image of an earlier index from: its compressed bytes, by the path in the sample's row."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.data.datasets.config_field import parse_dataset
from pipeline.data.images import sha256_of
from pipeline.engine.manifest import Artifact
from pipeline.engine.stage import StageContext


def bytes_reader(ctx: StageContext, samples: Artifact) -> Callable[[str], bytes]:
    """Returns a function from a sample's `path` to the compressed image, which raises OSError where it is gone."""
    dataset, root = parse_dataset(samples.params["dataset"]), ctx.dataset_paths.get(samples.node) or ""
    return lambda path: dataset.image_bytes(root, path)


def indexed_source(ctx: StageContext, samples: Artifact) -> Callable[[str, str], bytes]:
    """Returns a function from a sample's `path` and `sha256_of` to the compressed image that was indexed.

    It raises OSError where the file is gone, and ValueError where its bytes are no longer those of the digest: rows
    are kept under the digest, and must not be of other pixels. What the index could not read is not tried again: a bad
    sector or a link to itself is the image's own error by then, and no trouble of the machine.
    """
    dataset, root = parse_dataset(samples.params["dataset"]), ctx.dataset_paths.get(samples.node) or ""

    def read(path: str, expected: str) -> bytes:
        if not expected and dataset.digest_is_of_bytes:
            raise ValueError(f"{path} could not be read when it was indexed; run again with --retry-errors")
        data = dataset.image_bytes(root, path)
        if dataset.digest_is_of_bytes and sha256_of(data) != expected:
            raise ValueError(f"{path} has changed since it was indexed; run again")
        return data

    return read
