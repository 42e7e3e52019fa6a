"""Memory that decoding an image takes at its peak, known from its header, and the limit on it."""

from dataclasses import dataclass
from typing import Final

from pipeline.engine.machine_memory import memory_limit

_PIXEL_BYTES: Final = 3
_CHANNELS: Final = {"1": 1, "L": 1, "P": 1, "RGB": 3, "YCbCr": 3, "CMYK": 4}  # of Pillow's modes; 4 for any other
# Bytes per pixel at the peak, the image included, as measured (`tests/data/decode_peaks.py`): OpenCV's decoders hold a
# copy in another order of channels, that of a GIF a canvas, those of AVIF and JPEG 2000 planes of 32 bits.
_PEAKS: Final = {"GIF": 9.0, "AVIF": 19.0, "JPEG2000": 17.5, "WEBP": 8.0, "HEIF": 19.0}
_USUAL_PEAK: Final = 6.5
_FIXED: Final = 10 * 2**20  # measured: 9.1 MB


@dataclass(frozen=True, slots=True)
class Decoding:
    """What the memory of decoding depends on, beside the size.

    Attributes:
        container, mode: Pillow's names of the file format and of the pixels' form.
        turned: whether an orientation tag has to be applied.
        several_scans: of a JPEG: progressive, or one component after another.
        strip_bytes: of a TIFF: decoded size of one strip or tile.
    """

    container: str
    mode: str
    turned: bool = False
    several_scans: bool = False
    strip_bytes: int = 0

    def peak_bytes(self, width: int, height: int) -> int:
        """Returns the most bytes that are held at once, the decoded image included, the compressed file not."""
        # Beside a strip its compressed bytes are read at once.
        return int(width * height * self._bytes_per_pixel()) + self.strip_bytes * 4 // 3 + _FIXED

    def _bytes_per_pixel(self) -> float:
        coefficients = 2.0 * _CHANNELS.get(self.mode, 4) if self.several_scans else 0.0
        if self.mode == "CMYK" or (self.container == "TIFF" and self.mode in ("RGBA", "LA")):
            return 4 + max(coefficients, 4.2 if self.turned else 3.4)  # Pillow's four, and the image or a copy
        if self.container in ("JPEG", "MPO"):
            return _PIXEL_BYTES + max(coefficients, _PIXEL_BYTES if self.turned else 0)
        return _PEAKS.get(self.container, _USUAL_PEAK)


@dataclass(frozen=True, slots=True)
class Room:
    """A limit on the memory of one image while it is decoded.

    Attributes:
        bytes: that may be held, the compressed file included.
        limit: its name and value for messages, e.g. ``memory_budget_gb of 2``.
    """

    bytes: int
    limit: str

    def problem(self, width: int, height: int, decoding: Decoding, file_bytes: int) -> str | None:
        """Returns why an image of this size in pixels cannot be decoded, or None where it can be."""
        need = decoding.peak_bytes(width, height) + file_bytes
        if need <= self.bytes:
            return None
        form = f"{decoding.container} image of {width} x {height} pixels ({decoding.mode})"
        return f"a {form} takes {need / 2**30:.2f} GB to decode, and {self.limit} leaves {self.bytes / 2**30:.2f}"


def machine_room() -> Room:
    """Returns the limit where no other is given: the memory of this machine, or of this process's control group."""
    return Room(memory_limit(), "the memory of this machine")
