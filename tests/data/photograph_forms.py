"""One image in every format of photographs."""

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as Pillow
from PIL import TiffImagePlugin

from pipeline.data.datasets.synthetic.dataset import Synthetic

WIDTH, HEIGHT = 160, 120


def photograph_forms(folder: Path) -> set[str]:
    """Writes a drawn image of 160 x 120 in each format that is read, some under other names; returns the names."""
    bgr = Synthetic(seed=1, width=WIDTH, height=HEIGHT).draw(0)[0]
    image = Pillow.fromarray(bgr[..., ::-1].copy())
    turned = {"save_all": True, "append_images": [image.transpose(Pillow.Transpose.FLIP_LEFT_RIGHT)]}
    of_kind = {
        "JPEG": ("a.jpg", "a.JPG", "a.jpeg", "a.jfif", "a.jpe", "no ending", "wrong.txt", "wrong.png"),
        "jpeg": ("cmyk.jpg", "grey.jpg"),
        "PNG": ("a.png", "wrong.jpg", "photo.jpg.part", "alpha.png", "palette.png", "two.png"),
        "BMP": ("a.bmp",),
        "WEBP": ("a.webp",),
        "TIFF": ("a.tif", "pages.tiff"),
        "GIF": ("a.gif", "moving.gif"),
        "PPM": ("a.ppm", "a.pgm"),
        "AVIF": ("a.avif",),
        "JPEG2000": ("a.jp2", "a.j2k"),
    }
    forms = {name: kind for kind, names in of_kind.items() for name in names}
    modes = {"a.pgm": "L", "cmyk.jpg": "CMYK", "grey.jpg": "L", "alpha.png": "RGBA", "palette.png": "P", "two.png": "1"}
    for name, kind in forms.items():
        several = turned if name in ("pages.tiff", "moving.gif") else {}
        image.convert(modes.get(name, "RGB")).save(folder / name, kind, **several)
    (folder / "deep.png").write_bytes(cv2.imencode(".png", bgr.astype(np.uint16) * 257)[1].tobytes())
    return {*forms, "deep.png"}


def preview_first() -> bytes:
    """Returns a TIFF whose first page is marked as a smaller copy of another one, as in camera raw files."""
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[254] = 1
    buffer = io.BytesIO()
    Pillow.new("RGB", (32, 24)).save(buffer, "TIFF", tiffinfo=tags)
    return buffer.getvalue()
