"""Prints, as JSON, the memory that decoding takes at its peak, measured and estimated, of every form of an image file.

    python -m tests.data.decode_peaks FOLDER    # empty; the files of 4 megapixels, one of 2, are left in it

A process for each: the peak of a process never falls, unless the kernel is asked to begin again (``clear_refs``), and
memory that was given back once is used again unseen.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image as Pillow

from pipeline.data.images import MAX_MEGAPIXELS, _decoding, _probe, decode, encode_jpeg, encode_png

WIDTH, HEIGHT = 2400, 1600


def saved(image: Any, kind: str, **options: Any) -> bytes:
    sink = BytesIO()
    image.save(sink, kind, **options)
    return sink.getvalue()


def encoded(suffix: str, image: np.ndarray, *options: int) -> bytes:
    return cv2.imencode(suffix, image, options)[1].tobytes()


def forms() -> Iterator[tuple[str, bytes]]:
    noise = np.random.default_rng(0).integers(0, 255, (HEIGHT // 100, WIDTH // 100, 3), np.uint8)
    bgr = cv2.resize(noise, (WIDTH, HEIGHT))
    deep, alpha = bgr.astype(np.uint16) * 257, np.dstack([bgr, bgr[..., 0]])
    rgb, turn = Pillow.fromarray(bgr), Pillow.Exif()
    cmyk, turn[0x112] = rgb.convert("CMYK"), 6
    palette = rgb.quantize(32, Pillow.Quantize.FASTOCTREE)
    strip = (cv2.IMWRITE_TIFF_ROWSPERSTRIP, HEIGHT)
    yield "JPEG", saved(rgb, "JPEG")
    yield "JPEG grey", saved(rgb.convert("L"), "JPEG")
    yield "JPEG turned", saved(rgb, "JPEG", exif=turn)
    yield "JPEG progressive", saved(rgb, "JPEG", progressive=True, subsampling=0)
    yield "JPEG CMYK", saved(cmyk, "JPEG")
    yield "JPEG CMYK turned", saved(cmyk, "JPEG", exif=turn)
    yield "JPEG CMYK progressive", saved(cmyk, "JPEG", progressive=True)
    yield "PNG", encoded(".png", bgr)
    yield "PNG turned", saved(rgb, "PNG", exif=turn, compress_level=1)
    yield "PNG alpha", encoded(".png", alpha)
    yield "PNG 16 bits", encoded(".png", deep)
    yield "PNG 16 bits grey", encoded(".png", deep[..., 0])
    yield "PNG 16 bits alpha", encoded(".png", np.dstack([deep, deep[..., 0]]))
    yield "PNG palette", saved(palette, "PNG")
    yield "PNG bilevel", saved(rgb.convert("1"), "PNG")
    yield "TIFF", encoded(".tif", bgr)
    yield "TIFF in one strip", encoded(".tif", bgr, *strip)
    yield "TIFF 16 bits", encoded(".tif", deep)
    yield "TIFF 16 bits in one strip", encoded(".tif", deep, *strip)
    yield "TIFF alpha", saved(Pillow.fromarray(alpha), "TIFF", compression="tiff_lzw")
    yield "TIFF CMYK", saved(cmyk, "TIFF")
    yield "TIFF CMYK compressed", saved(cmyk, "TIFF", compression="tiff_lzw")
    yield "TIFF bilevel", saved(rgb.convert("1"), "TIFF", compression="group4")
    yield "BMP", encoded(".bmp", bgr)
    yield "WebP", saved(rgb, "WEBP")
    yield "WebP without loss", saved(rgb, "WEBP", lossless=True, quality=0, method=0)
    yield "PNM 16 bits", encoded(".ppm", deep)
    yield "GIF", saved(palette, "GIF")
    yield "JPEG 2000", encoded(".jp2", bgr)
    yield "JPEG 2000 16 bits", encoded(".jp2", deep[: HEIGHT // 2])  # a third of the time of all
    yield "AVIF", saved(rgb, "AVIF", speed=10)


def bytes_to_decode(data: bytes) -> int:
    """Returns what `decode` compares with its room beside the file: an upper limit by the header, up to twice the peak."""
    header = _probe(data, MAX_MEGAPIXELS)
    return _decoding(data, header).peak_bytes(header.width, header.height)


def resident(field: str) -> int:
    """Returns a field of this process's memory in bytes: VmRSS now, VmHWM at its peak."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def in_a_child(work: Callable[[], object]) -> Any:
    """Returns what a forked process makes of it: none of its memory is left behind."""
    reading, writing = os.pipe()
    if not os.fork():
        os.write(writing, json.dumps(work()).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as answer:
        found = json.loads(answer.read())
    os.wait()
    return found


def measured(file: Path) -> dict[str, int]:
    data = file.read_bytes()
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    image = decode(data)
    peak = resident("VmHWM") - before
    return {"measured": peak, "estimated": bytes_to_decode(data), "pixels": image.size // 3, "file": len(data)}


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    in_a_child(lambda: [(folder / name).write_bytes(data) for name, data in forms()])
    decode(encode_jpeg(np.zeros((8, 8, 3), np.uint8)))  # loads the libraries
    decode(encode_png(np.zeros((8, 8, 3), np.uint8)))
    print(json.dumps({file.name: in_a_child(lambda: measured(file)) for file in sorted(folder.iterdir())}))  # noqa: B023
