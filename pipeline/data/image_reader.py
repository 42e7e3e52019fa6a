"""The images of an index: compressed, by the path in a sample's row, or decoded ahead of their use."""

from collections.abc import Iterator, Sequence

from pipeline.data.datasets.config_field import parse_dataset
from pipeline.data.decode_memory import Room, machine_room
from pipeline.data.file_bytes import MOST_BYTES
from pipeline.data.file_path import is_object, read_ahead
from pipeline.data.images import Image, decode
from pipeline.engine.daemon_pool import DaemonPool
from pipeline.engine.fingerprint import hash_bytes
from pipeline.engine.manifest import Artifact
from pipeline.engine.measures import count, timed
from pipeline.engine.stage import Item, StageContext
from pipeline.engine.worker_group import prefetch

IMAGES_AHEAD = 4  # originals, 2 MB each at 1024 px: only the image in work is ever held enlarged
GPU_IMAGES_AHEAD = 64  # two batches
THREADS = 2  # at least: the next files are fetched beside the decoding of one
AHEAD_BYTES = 64 * 2**20  # of all images ahead on a CPU, where one is not larger by itself: 7 megapixels being decoded
_BYTES_PER_PIXEL = 9  # of an image ahead: its file, or what decoding it takes
_FILE_BYTES_PER_PIXEL = 1.5  # of a compressed image that is fetched ahead of a store: a JPEG has less, a PNG twice that
_FETCHED = 4  # part of what may be ahead that is held compressed: one in so many
Fetched = tuple[Item, bytes | None, str | None]
Decoded = tuple[Item, Image | None, str | None]


class ImageReader:
    """Reads the images that one node has indexed; picklable, and its methods with it."""

    def __init__(self, ctx: StageContext, samples: Artifact, room: Room | None = None) -> None:
        """Reads nothing yet.

        Args:
            ctx: of the stage.
            samples: the index that the images are of.
            room: what the memory of one image may be while it is decoded; None: this machine's.
        """
        self._room = room or machine_room()
        self._dataset = parse_dataset(samples.params["dataset"])
        self._root = ctx.dataset_paths.get(samples.node) or ""
        self._cpus, self._accelerated = ctx.resources.cpus, ctx.resources.gpus > 0

    def read(self, path: str) -> bytes:
        """Returns the compressed image of a sample's `path`.

        Raises OSError: it is gone; ValueError: it has more bytes than there is room for, and none was read.
        """
        with timed("read"):
            data = self._dataset.image_bytes(self._root, path, min(MOST_BYTES, self._room.bytes))
        count("bytes_read", len(data))
        return data

    def read_indexed(self, path: str, content_hash: str) -> bytes:
        """Returns the compressed image that was indexed with this content hash.

        Rows are kept under the hash, and must not be of other pixels. A file that the index could not read is not tried
        again: a bad sector or a link to itself is by then the image's own error, and no trouble of the machine.

        Raises OSError: the file is gone; ValueError: its bytes have another hash.
        """
        if not content_hash and self._dataset.hash_is_of_bytes:
            raise ValueError(f"{path} could not be read when it was indexed; run again with --retry-errors")
        data = self.read(path)
        if self._dataset.hash_is_of_bytes and hash_bytes(data) != content_hash:
            raise ValueError(f"{path} has changed since it was indexed; run again")
        return data

    def ahead(self, items: Sequence[Item]) -> Iterator[Decoded]:
        """Returns (item, image, error) of each item in order: uint8 [H, W, 3] BGR, or why there is none.

        The next images are fetched during this one, and decoded too where there is a core to spare; those of a store in
        threads of their own, for a request takes longer than decoding. A defect of an image is its error, and so is one
        that takes more memory than there is room for; trouble of the machine or of the store is raised. Images are held
        ahead as far as they are small. An item's ``data["path"]`` is the image's, and ``data["content_hash"]``, or its
        version without one, what it was indexed with.
        """
        size = max(THREADS, int(self._cpus))
        depth = max(GPU_IMAGES_AHEAD if self._accelerated else IMAGES_AHEAD, 2 * size)
        most = self._room.bytes // 2 if self._accelerated else AHEAD_BYTES
        with DaemonPool(size, "decode") as threads:
            # On its only core the network and a decoder beside it take 75 ms of CPU an image, one after the other 64.
            beside = self._accelerated or self._cpus > 1
            if is_object(self._root):
                fetched = read_ahead(self._root, self._fetch, items, _file_cost, most // _FETCHED)
                if beside:
                    yield from prefetch(threads, self._decode, fetched, depth, lambda each: _cost(each[0]), most)
                else:
                    yield from map(self._decode, fetched)
            elif beside:
                yield from prefetch(threads, lambda item: self._decode(self._fetch(item)), items, depth, _cost, most)
            else:
                yield from map(self._decode, prefetch(threads, self._fetch, items, depth, _cost, most))

    def _fetch(self, item: Item) -> Fetched:
        try:
            content_hash = item.data.get("content_hash", item.version)
            return item, self.read_indexed(item.data["path"], content_hash), None
        # Of this image; any other OSError (a stale mount, no descriptors left, a store that does not answer) is the
        # machine's and stops the node.
        except (FileNotFoundError, IsADirectoryError, PermissionError, ValueError) as error:
            return item, None, f"{type(error).__name__}: {error}"

    def _decode(self, fetched: Fetched) -> Decoded:
        item, data, error = fetched
        try:
            with timed("decode"):
                image = None if data is None else decode(data, self._room)
        except ValueError as problem:
            return item, None, f"{type(problem).__name__}: {problem}"
        return item, _pinned(image) if image is not None and self._accelerated else image, error


def _cost(item: Item) -> float:
    return float(_BYTES_PER_PIXEL * item.data.get("width", 0) * item.data.get("height", 0))


def _file_cost(item: Item) -> float:
    return _cost(item) * _FILE_BYTES_PER_PIXEL / _BYTES_PER_PIXEL


def _pinned(image: Image) -> Image:
    """Returns the image in memory from which a GPU copies while the host goes on."""
    import torch

    held: Image = torch.from_numpy(image).pin_memory().numpy()
    return held
