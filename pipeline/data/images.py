"""The only file that reads pixels: size from a header, decoding, encoding, content hash and resizing.

Images are ``uint8`` arrays ``[H, W, 3]`` in BGR order, C-contiguous, with the orientation tag already applied. One rule
holds everywhere, so that boxes, headers and pixels agree: what a viewer shows upright is the image.

OpenCV, Pillow and simplejpeg are imported when first needed, so that planning a run does not pay for them.
"""

from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pipeline.data.decode_memory import Decoding, Room
from pipeline.data.image_ends import missing_end
from pipeline.data.image_kinds import HEIC, READ, kind_of, no_image
from pipeline.data.jpeg_segments import in_several_scans
from pipeline.data.pillow_images import HEIF, opened, reads_heic
from pipeline.data.tiff_samples import PACKED_BITS, TiffSamples, tiff_samples
from pipeline.engine.install_command import install_command

Image = NDArray[np.uint8]

MAX_MEGAPIXELS: Final = 500
"""Largest image that is decoded where no other limit is given: above every camera's, 1.5 GB of pixels."""
MOST_MEGAPIXELS: Final = 1_073
"""OpenCV's own limit, 2^30 pixels: no other limit may be larger."""

_ORIENTATION_TAG: Final = 0x0112
_TIFF_REDUCED, _TIFF_WIDTH, _TIFF_HEIGHT = 254, 256, 257
_TIFF_BITS, _TIFF_SAMPLES, _TIFF_STRIP_ROWS, _TIFF_TILE_WIDTH, _TIFF_TILE_HEIGHT = 258, 277, 278, 322, 323
# Nothing else is tried: one of Pillow's other formats would see an image in almost any bytes, another starts a program.
_PILLOW: Final = {kind: {"PNM": "PPM", "JPEG 2000": "JPEG2000"}.get(kind, kind.upper()) for kind in READ}
_PILLOW_DECODES: Final = (("TIFF", "RGBA"), ("TIFF", "LA"))
_ROWS: Final = 64  # converted at a time


class ImageError(ValueError):
    """Bytes that are not a whole, readable image; the message is one line and says what was found."""


class ImageTooLargeError(ImageError):
    """An image of more pixels than the limit, by its header: nothing of it was decoded."""


@dataclass(frozen=True, slots=True)
class _Header:
    container: str  # Pillow's name of the file format: JPEG, PNG, ...
    mode: str  # Pillow's pixel mode: RGB, CMYK, I;16, ...
    width: int  # as stored, before orientation
    height: int
    orientation: int  # EXIF 1..8
    bits: int = 8  # of a sample, where a TIFF says so
    strip_bytes: int = 0  # of a TIFF: decoded size of one strip or tile

    @property
    def upright_size(self) -> tuple[int, int]:
        return (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)


def read_header(data: bytes, max_megapixels: float = MAX_MEGAPIXELS) -> tuple[int, int]:
    """Returns (width, height) in pixels of a whole compressed file, after the orientation tag is applied.

    Raises ImageError: empty, not an image, of a form that is not read, or of an impossible size; `ImageTooLargeError`:
    of more pixels than the limit, or than `MOST_MEGAPIXELS`.
    """
    return _probe(data, max_megapixels).upright_size


def check_complete(data: bytes) -> None:
    """Raises ImageError where the end of a JPEG or PNG is missing; other formats pass. About 0.02 ms per 100 KB."""
    if problem := missing_end(data):
        raise ImageError(problem)


def decode(data: bytes, room: Room | None = None, max_megapixels: float = MAX_MEGAPIXELS) -> Image:
    """Returns the image of a whole compressed file as uint8 [H, W, 3] BGR, contiguous and upright; of pages the first.

    Greyscale, palette and bilevel images become three equal or looked-up channels, alpha is dropped, 10 to 16 bits are
    scaled to 8, and CMYK (Adobe's inverted kind too) is converted as Pillow does. HEIC needs the extra ``heic``.

    Raises ImageError: empty, of no kind in `image_kinds.READ`, truncated or damaged, unlike its header, a TIFF of
    numbers whose white is not known, or not to be decoded within ``room``, which is known before memory is asked for;
    `ImageTooLargeError`: of more pixels than the limit, or than `MOST_MEGAPIXELS`.
    """
    header = _probe(data, max_megapixels)
    check_complete(data)
    if room and (problem := room.problem(header.width, header.height, _decoding(data, header), len(data))):
        raise ImageError(problem)
    if header.container in ("JPEG", "MPO") and header.mode in ("RGB", "L"):
        image = _decode_jpeg(data, header)
    elif header.mode == "CMYK" or (header.container, header.mode) in _PILLOW_DECODES or header.container == HEIF:
        image = _decode_pillow(data, header)
    else:
        image = _decode_opencv(data, header)
    width, height = header.upright_size
    if image.shape != (height, width, 3):
        raise ImageError(f"decoded to {image.shape[1]} x {image.shape[0]}, but the header says {width} x {height}")
    return image


def encode_jpeg(image_bgr: Image, quality: int = 95) -> bytes:
    """Returns a JPEG of uint8 [H, W, 3] BGR pixels; ``quality`` is 1 to 100."""
    return _encode(".jpg", image_bgr, "IMWRITE_JPEG_QUALITY", quality)


def encode_png(image_bgr: Image) -> bytes:
    """Returns a PNG (lossless, quickest compression) of uint8 [H, W, 3] BGR pixels."""
    return _encode(".png", image_bgr, "IMWRITE_PNG_COMPRESSION", 1)


def resize(image: Image, width: int, height: int) -> Image:
    """Returns ``image`` at ``width`` x ``height`` pixels (bilinear, pixel centres aligned); itself if already so."""
    if image.shape[:2] == (height, width):
        return image
    return np.asarray(_opencv().resize(image, (width, height)), np.uint8)  # bilinear is its default


def pages(file: str | BytesIO) -> int:
    """Returns the number of pages of a file (path, or bytes), 1 where it is unknown; only the first is ever used."""
    try:
        with opened(file, list(_PILLOW.values())) as image:
            return int(getattr(image, "n_frames", 1))
    except Exception:  # a damaged file has its own error, where it is read
        return 1


def _probe(data: bytes, max_megapixels: float) -> _Header:
    if not data:
        raise ImageError("the file is empty (zero bytes)")
    kind = kind_of(data)
    if kind is None:
        raise ImageError(no_image(data))
    if kind == HEIC and not reads_heic():
        raise ImageError(f"a HEIC image: {install_command('wider8k[heic]')} to read it, or convert it to JPEG")
    if kind not in (*READ, HEIC):
        raise ImageError(f"a {kind} image, which cannot be read here: convert it; read are {', '.join(READ)}")
    samples = tiff_samples(data) if kind == "TIFF" else None
    if samples and samples.unknown_white:
        raise ImageError(f"a TIFF of {samples}, whose white is not known: save it with 8 or 16 bits a sample")
    header = _packed(samples) if samples and samples.packed else _opened_header(data, kind)
    limit = min(max_megapixels, MOST_MEGAPIXELS)
    if header.width * header.height > limit * 1e6:
        size = f"{header.width} x {header.height} pixels are {header.width * header.height / 1e6:.0f} megapixels"
        raise ImageTooLargeError(f"{size}, above the limit of {limit:g}")
    return replace(header, bits=samples.bits) if samples else header


def _opened_header(data: bytes, kind: str) -> _Header:
    from PIL import Image as Pillow

    try:
        with opened(BytesIO(data), [_PILLOW.get(kind, HEIF)]) as image:
            header, preview = _header(image)
    except Pillow.UnidentifiedImageError:
        problem = f"damaged {kind}, or one of a form that cannot be read: no header in {len(data)} bytes"
        raise ImageError(problem) from None
    except Exception as error:  # Pillow's format plug-ins raise errors of many types for damaged bytes
        raise ImageError(f"damaged header: {type(error).__name__}: {_first_line(error)}") from None
    if preview:
        size = f"{header.width} x {header.height} pixels, as camera raw files do"
        raise ImageError(f"a TIFF that begins with a preview of {size}: convert it to JPEG or a plain TIFF")
    return header


def _packed(samples: TiffSamples) -> _Header:
    """Returns the header of a TIFF of 10, 12 or 14 bits, which Pillow does not open."""
    return _Header("TIFF", "I;16", samples.width, samples.height, samples.orientation, samples.bits)


def _header(image: Any) -> tuple[_Header, bool]:
    """Returns the header of an opened file, and whether its first page is only a smaller copy of another one in it."""
    width, height = image.size
    preview, strip_bytes = False, 0
    # Pillow swaps a TIFF's sides already, and only a PNG with its tag up front can be asked without decoding.
    if image.format == "TIFF":
        width, height = image.tag_v2[_TIFF_WIDTH], image.tag_v2[_TIFF_HEIGHT]
        preview = bool(image.tag_v2.get(_TIFF_REDUCED, 0) & 1)
        strip_bytes = _strip_bytes(image.tag_v2, width, height)
    tagged = image.format == "TIFF" or "exif" in image.info
    orientation = image.getexif().get(_ORIENTATION_TAG, 1) if tagged else 1
    valid = isinstance(orientation, int) and 1 <= orientation <= 8
    turn = orientation if valid else 1
    return _Header(str(image.format), image.mode, int(width), int(height), turn, strip_bytes=strip_bytes), preview


def _strip_bytes(tags: Any, width: int, height: int) -> int:
    """Returns the decoded size in bytes of one strip or tile of a TIFF."""
    rows = min(height, int(tags.get(_TIFF_TILE_HEIGHT, tags.get(_TIFF_STRIP_ROWS, height))))
    columns = int(tags.get(_TIFF_TILE_WIDTH, width))
    bits = tags.get(_TIFF_BITS, (1,))
    return columns * rows * int(tags.get(_TIFF_SAMPLES, 1)) * int(max(bits)) // 8


def _decoding(data: bytes, header: _Header) -> Decoding:
    """Returns what the memory of decoding depends on, beside the size."""
    scans = header.container in ("JPEG", "MPO") and in_several_scans(data)
    return Decoding(header.container, header.mode, header.orientation != 1, scans, header.strip_bytes)


def _decode_jpeg(data: bytes, header: _Header) -> Image:
    """Returns the pixels of OpenCV's decoder, a third faster, and refuses damage that OpenCV fills up."""
    import simplejpeg

    try:
        try:
            image: Image = simplejpeg.decode_jpeg(data, "BGR", strict=True)
        except ValueError as error:
            # Bytes between segments, as some cameras and programs leave them, take nothing from the image.
            if "extraneous bytes" not in str(error):
                raise
            image = simplejpeg.decode_jpeg(data, "BGR", strict=False)
    except (ValueError, RuntimeError) as error:
        raise ImageError(f"damaged {header.container}: {_first_line(error)}") from None
    return _upright(image, header.orientation)


def _decode_opencv(data: bytes, header: _Header) -> Image:
    cv2 = _opencv()
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    if header.bits in PACKED_BITS:
        flags |= cv2.IMREAD_ANYDEPTH  # then OpenCV has them as the upper bits of 16; else it refuses them
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise ImageError(f"damaged {header.container}: {_first_line(error)}") from None
    if image is None:
        form = ", or of a form that cannot be read" if header.container == "TIFF" else ""
        size = f"{header.width} x {header.height} pixels declared, none decoded"
        raise ImageError(f"damaged {header.container}{form}: {size}")
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    if header.container == "TIFF" and header.bits == 16 and 0 < image.max() <= 16:  # 4095 / 257, rounded
        raise ImageError("a TIFF of 16 bits whose numbers end below 4096, as if they were of 12: multiply them by 16")
    # OpenCV turns a TIFF whatever the flag; for the others versions differ, so that they are turned here.
    orientation = 1 if header.container == "TIFF" else header.orientation
    return _upright(image, orientation)


def _decode_pillow(data: bytes, header: _Header) -> Image:
    from PIL import ImageOps

    try:
        with opened(BytesIO(data), ["JPEG" if header.container == "MPO" else header.container]) as image:
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            pixels = np.empty((image.height, image.width, 3), np.uint8)
            # Part by part: Pillow's copies of a whole image would take 18 bytes a pixel.
            for top in range(0, image.height, _ROWS):
                part = image.crop((0, top, image.width, min(top + _ROWS, image.height)))
                pixels[top : top + _ROWS] = np.asarray(part.convert("RGB"))[..., ::-1]
            return pixels
    except Exception as error:
        raise ImageError(f"damaged image: {type(error).__name__}: {_first_line(error)}") from None


def _upright(image: Image, orientation: int) -> Image:
    """Returns the pixels with EXIF orientation 1..8 undone: 5 to 8 swap the sides, then mirrors."""
    if orientation == 1:
        return image
    turned = image.transpose(1, 0, 2) if orientation >= 5 else image
    if orientation in (3, 4, 7, 8):
        turned = turned[::-1]
    if orientation in (2, 3, 6, 7):
        turned = turned[:, ::-1]
    return np.ascontiguousarray(turned)


def _encode(suffix: str, image: Image, option: str, value: int) -> bytes:
    cv2 = _opencv()
    try:
        done, buffer = cv2.imencode(suffix, image, [getattr(cv2, option), value])
    except cv2.error:
        done = False
    if not done:
        raise ImageError(f"cannot encode an array of shape {image.shape} as {suffix}")
    return bytes(buffer)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "no reason given")


def _opencv() -> Any:
    import cv2

    # A broken file has its one-line error; OpenCV would print two more of its own.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2
