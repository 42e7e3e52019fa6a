"""Files that are not plain images: odd kinds with a plain twin of the pixels they show, and broken ones."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as Pillow

from pipeline.data.images import encode_jpeg, encode_png
from tests.stages.world import drawn_image


def as_file(image: Pillow.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def odd_files(folder: Path) -> dict[str, str]:
    """Writes one image of every odd kind, and beside it a plain PNG of the pixels it shows; odd name -> plain name."""
    bgr = drawn_image(3)
    rgb, grey = bgr[..., ::-1], bgr[..., 1]
    turned = Pillow.Exif()
    turned[0x0112] = 6
    palette = Pillow.fromarray(rgb).quantize(64)
    cmyk = as_file(Pillow.fromarray(rgb).convert("CMYK"), "JPEG", quality=95)
    odd = {
        "grey.png": (as_file(Pillow.fromarray(grey), "PNG"), np.repeat(grey[..., None], 3, axis=2)),
        "deep.png": (cv2.imencode(".png", bgr.astype(np.uint16) * 257)[1].tobytes(), bgr),
        "cmyk.jpg": (cmyk, np.asarray(Pillow.open(io.BytesIO(cmyk)).convert("RGB"))[..., ::-1]),
        "palette.png": (as_file(palette, "PNG"), np.asarray(palette.convert("RGB"))[..., ::-1]),
        "turned.png": (as_file(Pillow.fromarray(rgb), "PNG", exif=turned), np.rot90(bgr, -1)),
    }
    for name, (data, pixels) in odd.items():
        (folder / name).write_bytes(data)
        (folder / f"plain_{name}.png").write_bytes(encode_png(np.ascontiguousarray(pixels)))
    return {name: f"plain_{name}.png" for name in odd}


def broken_files(folder: Path) -> dict[str, str]:
    """Writes three files that are no images; name -> words that the error must contain."""
    (folder / "cut.jpg").write_bytes(encode_jpeg(drawn_image(1))[:-200])
    (folder / "none.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("this is plain text")
    return {"cut.jpg": "truncated JPEG", "none.jpg": "the file is empty", "text.jpg": "not an image"}
