"""A folder of images without labels, searched with everything below it."""

from __future__ import annotations

from pipeline.data.datasets.dataset import Dataset, Entry, Reader, in_order
from pipeline.data.datasets.files import SUFFIXES, Labels, read_sample, require_folder, scan


class ImageFolder(Dataset):
    """Every jpg, jpeg, png, bmp, webp, tif or tiff (any case) below a folder; hidden files are left out.

    The ``image_id`` is the path relative to the folder, with its extension.
    """

    def entries(self, root: str) -> list[Entry]:
        """Returns the images found, as `Dataset.entries`.

        Raises:
            FileNotFoundError: the folder does not exist or holds no image.
        """
        require_folder(root)
        found = in_order(Entry(path, path, stamp) for path, stamp in scan(root))
        if not found:
            raise FileNotFoundError(f"no image below {root}; looked for {', '.join(SUFFIXES)}")
        return found

    def open(self, root: str) -> Reader:
        """Returns a reader, as `Dataset.open`; its samples have no faces."""
        require_folder(root)
        return lambda entry: read_sample(root, entry.image_id, entry.path, Labels())

    def image_bytes(self, root: str, sample_path: str) -> bytes:
        """Returns the file's bytes, as `Dataset.image_bytes`."""
        return (require_folder(root) / sample_path).read_bytes()
