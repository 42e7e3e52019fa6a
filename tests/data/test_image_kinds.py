"""What first bytes and names say."""

import pytest

from pipeline.data.image_kinds import HEAD, NOT_READ, READ, claims_to_be_image, kind_of, no_image


def box(first: bytes, *others: bytes) -> bytes:
    """The first box of a file of the family of HEIC, AVIF and MP4."""
    return (16 + 4 * len(others)).to_bytes(4, "big") + b"ftyp" + first + bytes(4) + b"".join(others)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\xff\xd8\xff\xe0", "JPEG"),
        (b"\xff\xd8", None),
        (b"RIFF\n\0\0\0WEBPVP8 ", "WebP"),
        (b"RIFF\n\0\0\0WAVEfmt ", None),
        (b"II*\0\x08\0\0\0", "TIFF"),
        (b"MM\0+\0\x08\0\0", "TIFF"),
        (b"II*\0\x10\0\0\0CR\2\0", "camera raw"),
        (b"FUJIFILMCCD-RAW ", "camera raw"),
        (b"BM" + bytes(12) + b"\x28\0\0\0", "BMP"),
        (b"BM is how this text begins", None),
        (b"P6\n# by hand\n2 2\n", "PNM"),
        (b"P5 is the name of a level", None),
        (box(b"avif", b"mif1"), "AVIF"),
        (box(b"mif1", b"avif"), "AVIF"),
        (box(b"mif1", b"heic"), "HEIC"),
        (box(b"mif1") + b"avif", "HEIC"),  # behind the box: not what it says of itself
        (box(b"heix"), "HEIC"),
        (box(b"isom", b"avc1"), None),
        (box(b"crx "), "camera raw"),
        (b"8BPS\0\1", "Photoshop"),
        (b"qoif\0\0\0\1\0\0\0\1\3\0", "QOI"),
        (b"%PDF-1.7", None),
        (b"<svg xmlns=", None),
        (b"", None),
    ],
)
def test_first_bytes_tell(head: bytes, kind: str | None) -> None:
    assert kind_of(head) == kind_of(head.ljust(HEAD, b"\0")) == kind and kind in (None, *READ, *NOT_READ)


def test_names_claim() -> None:
    names = ("a.jpg", "a.JPEG", "b.jfif", "b.Heic", "c.tar.png", "d.nef")
    assert all(map(claims_to_be_image, names))
    assert not any(map(claims_to_be_image, ("jpg", "a.jpg.txt", "a.json", "a.mp4", "a.svg", "ajpg", "")))


def test_what_is_no_image_is_said() -> None:
    assert no_image(b"<!DOCTYPE html>").startswith(
        "not an image: 15 bytes that start with b'<!DOCTYPE ht', an HTML page"
    )
    assert no_image(b"version https://git-lfs.github.com/spec/v1").endswith("(git lfs pull fetches it)")
    assert no_image(b"hello") == "not an image: 5 bytes that start with b'hello'"
