"""Pixels: bit-equal to the reference decode, one orientation rule, every odd kind of file handled or refused."""

import io
import json
import struct
import zlib
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from pipeline.data.images import (
    ImageError,
    ImageTooLargeError,
    check_complete,
    decode,
    encode_jpeg,
    encode_png,
    pages,
    read_header,
    resize,
)
from pipeline.engine.fingerprint import hash_bytes
from tests.data.tiff_forms import FLOAT, SIGNED, UNSIGNED, tiff_of

WIDTH, HEIGHT = 48, 32


def photo() -> np.ndarray:
    """A smooth RGB image whose four corners differ, so that every turn and mirror shows."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return np.stack([x * 5, y * 7, 255 - x * 2 - y * 3], axis=-1).clip(0, 255).astype(np.uint8)


def saved(image: Pillow.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.wider
def test_decoded_pixels_are_the_references(shared: Path) -> None:
    folder = shared / "reference" / "retinaface"
    expected = json.loads((folder / "expected_std.json").read_text())["images"]
    assert len(expected) >= 6
    for name, facts in expected.items():
        data = (folder / "images" / name).read_bytes()
        image = decode(data)
        assert sha256(image.tobytes()).hexdigest() == facts["pixel_sha256"], name
        assert read_header(data) == (facts["width"], facts["height"])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_orientation_is_applied_to_header_and_pixels(kind: str, orientation: int) -> None:
    tags = Pillow.Exif()
    tags[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
    data = saved(Pillow.fromarray(photo()), kind, exif=tags, **options)
    bgr = photo()[..., ::-1]
    upright = {
        1: bgr,
        2: bgr[:, ::-1],
        3: bgr[::-1, ::-1],
        4: bgr[::-1],
        5: bgr.transpose(1, 0, 2),
        6: np.rot90(bgr, -1),
        7: np.rot90(bgr, -1)[:, ::-1][::-1, ::-1],
        8: np.rot90(bgr, 1),
    }[orientation]
    image = decode(data)
    assert image.shape == upright.shape and read_header(data) == (image.shape[1], image.shape[0])
    assert np.abs(image.astype(int) - upright).max() <= 6 and image.flags.c_contiguous


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_equals_opencvs_own_rule(orientation: int) -> None:
    tags = Pillow.Exif()
    tags[0x0112] = orientation
    data = saved(Pillow.fromarray(photo()), "JPEG", exif=tags)
    np.testing.assert_array_equal(decode(data), cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))


@pytest.mark.parametrize("tag", [0, 9, 10, 77, 65535])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_senseless_orientation_counts_as_upright(kind: str, tag: int) -> None:
    tags = Pillow.Exif()
    tags[0x0112] = tag
    options = {"lossless": True} if kind == "WEBP" else {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
    data = saved(Pillow.fromarray(photo()), kind, exif=tags, **options)
    assert read_header(data) == (WIDTH, HEIGHT)
    assert np.abs(decode(data).astype(int) - photo()[..., ::-1]).max() <= 6


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "JPEG"])
def test_greyscale_becomes_three_equal_channels(kind: str) -> None:
    grey = photo()[..., 0]
    image = decode(saved(Pillow.fromarray(grey), kind))
    assert (image == image[..., :1]).all()
    assert np.abs(image[..., 0].astype(int) - grey).max() <= (3 if kind == "JPEG" else 0)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_is_not_inverted(kind: str) -> None:
    # Pillow writes Adobe's inverted CMYK into a JPEG; read naively it would be the negative.
    data = saved(Pillow.fromarray(photo()).convert("CMYK"), kind, **({"quality": 100} if kind == "JPEG" else {}))
    assert np.abs(decode(data).astype(int) - photo()[..., ::-1]).max() <= 12


def test_ycck_jpeg_has_the_colours_of_its_cmyk_twin() -> None:
    # The Adobe segment's last byte says how four channels are coded: 0 CMYK, 2 YCCK. Recode the samples by hand: the
    # standard takes 255 - C, 255 - M, 255 - Y of the stored (inverted) samples for red, green and blue.
    cmyk = np.asarray(Pillow.fromarray(photo()).convert("CMYK")).astype(float)
    red, green, blue = cmyk[..., 0], cmyk[..., 1], cmyk[..., 2]
    y = 0.299 * red + 0.587 * green + 0.114 * blue
    coded = np.stack([y, 128 + 0.564 * (blue - y), 128 + 0.713 * (red - y), 255 - cmyk[..., 3]], axis=-1)
    samples = 255 - coded.round().clip(0, 255).astype(np.uint8)  # Pillow inverts when it saves
    data = saved(Pillow.fromarray(samples, "CMYK"), "JPEG", quality=100)
    place = data.index(b"Adobe") + 11
    assert data[place] == 0
    ycck = data[:place] + b"\x02" + data[place + 1 :]
    assert np.abs(decode(ycck).astype(int) - photo()[..., ::-1]).max() <= 14


def test_sixteen_bits_are_scaled_not_wrapped() -> None:
    ramp = np.linspace(0, 65535, WIDTH * HEIGHT).reshape(HEIGHT, WIDTH).astype(np.uint16)
    for wide in (ramp, np.dstack([ramp, ramp[::-1], ramp[:, ::-1]])):
        data = cv2.imencode(".png", wide)[1].tobytes()
        expected = np.broadcast_to(wide.reshape(HEIGHT, WIDTH, -1) / 257, (HEIGHT, WIDTH, 3))
        assert np.abs(decode(data) - expected).max() < 1.01


def test_palette_alpha_and_bilevel() -> None:
    pillow = Pillow.fromarray(photo())
    faint = pillow.copy()
    faint.putalpha(40)
    np.testing.assert_array_equal(decode(saved(faint, "PNG")), photo()[..., ::-1])  # alpha is dropped, not blended
    np.testing.assert_array_equal(decode(saved(faint, "TIFF")), photo()[..., ::-1])
    for mode in ("P", "1", "LA"):
        expected = np.asarray(pillow.convert(mode).convert("RGB"))[..., ::-1]
        np.testing.assert_array_equal(decode(saved(pillow.convert(mode), "PNG")), expected)


def test_truncated_files_name_what_is_wrong(capfd: pytest.CaptureFixture[str]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    jpeg, png = encode_jpeg(noise), encode_png(noise)
    for size in (len(jpeg) - 2, len(jpeg) // 2, 700):
        with pytest.raises(ImageError, match="JPEG"):
            decode(jpeg[:size])
    for size in (len(png) - 12, len(png) // 2):
        with pytest.raises(ImageError, match="no IEND"):
            decode(png[:size])
    assert capfd.readouterr().err == ""


def test_the_end_of_a_thumbnail_is_not_the_end_of_the_image() -> None:
    small = encode_jpeg(np.zeros((8, 8, 3), np.uint8))
    jpeg = encode_jpeg(photo())
    segment = b"\xff\xe1" + struct.pack(">H", len(small) + 2) + small
    nested = jpeg[:2] + segment + jpeg[2:]
    check_complete(nested)
    with pytest.raises(ImageError, match="truncated JPEG"):
        check_complete(nested[:-2])
    check_complete(jpeg + b"a phone's video may follow the image")


def test_progressive_and_restart_markers_are_followed() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    data = saved(Pillow.fromarray(noise), "JPEG", progressive=True)
    check_complete(data)
    with pytest.raises(ImageError, match="truncated"):
        check_complete(data[: data.rindex(b"\xff\xda") + 20])
    restarts = cv2.imencode(".jpg", noise, [cv2.IMWRITE_JPEG_RST_INTERVAL, 2])[1].tobytes()
    assert b"\xff\xd3" in restarts
    check_complete(restarts)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"<html>not found</html>", "not an image"),
        (b"\xff\xd8", "not an image|damaged|JPEG"),
        (b"\x89PNG\r\n\x1a\n", "not an image|damaged|PNG"),
    ],
)
def test_what_is_no_image_is_refused_in_one_line(data: bytes, message: str) -> None:
    for read in (read_header, decode):
        with pytest.raises(ImageError, match=message) as caught:
            read(data)
        assert "\n" not in str(caught.value)


def test_damaged_pixels_are_refused(capfd: pytest.CaptureFixture[str]) -> None:
    png = bytearray(encode_png(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)))
    middle = len(png) // 2
    png[middle : middle + 64] = b"\x55" * 64
    with pytest.raises(ImageError, match="damaged PNG: 64 x 64"):
        decode(bytes(png))
    assert "WARN" not in capfd.readouterr().err


@pytest.mark.parametrize("sampling", ["411", "420", "422", "440", "444"])
@pytest.mark.parametrize("progressive", [0, 1])
def test_a_jpeg_has_the_pixels_that_opencv_gives_it(sampling: str, progressive: int) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (61, 83, 3), np.uint8)
    factor = getattr(cv2, f"IMWRITE_JPEG_SAMPLING_FACTOR_{sampling}")
    options = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor, cv2.IMWRITE_JPEG_PROGRESSIVE, progressive]
    data = cv2.imencode(".jpg", cv2.resize(noise, (166, 122)), options)[1]
    np.testing.assert_array_equal(decode(data.tobytes()), cv2.imdecode(data, cv2.IMREAD_COLOR))


@pytest.mark.wider
def test_real_photographs_have_the_pixels_that_opencv_gives_them(shared: Path) -> None:
    for file in sorted((shared / "data/wider_images").glob("**/*.jpg"))[::16]:
        np.testing.assert_array_equal(decode(file.read_bytes()), cv2.imread(str(file)), str(file))


def test_a_jpeg_damaged_in_its_middle_is_refused() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    jpeg = bytearray(encode_jpeg(noise))
    middle = len(jpeg) // 2
    del jpeg[middle : middle + 4000]  # its end marker is still there
    check_complete(bytes(jpeg))
    with pytest.raises(ImageError, match="damaged JPEG: "):
        decode(bytes(jpeg))


def test_stray_bytes_between_segments_take_nothing_from_a_jpeg() -> None:
    jpeg = encode_jpeg(photo())
    stray = jpeg[:-2] + bytes(17) + jpeg[-2:]
    np.testing.assert_array_equal(decode(stray), decode(jpeg))


def test_absurd_size_is_refused_before_memory_is_asked_for() -> None:
    header = struct.pack(">IIBBBBB", 200_000, 200_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    with pytest.raises(ImageTooLargeError, match="200000 x 200000 pixels are 40000 megapixels, above the limit of 500"):
        read_header(b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\0IDAT\0\0\0\0\0\0\0\0IEND\xae\x42\x60\x82")


@pytest.mark.slow
def test_a_limit_of_ones_own(recwarn: pytest.WarningsRecorder) -> None:
    wide = np.zeros((10_000, 20_000, 3), np.uint8)  # more than Pillow opens, and as many as a phone's camera has
    data = encode_jpeg(wide, 30)
    assert read_header(data) == (20_000, 10_000)
    assert decode(data).shape == (10_000, 20_000, 3)
    with pytest.raises(ImageTooLargeError, match="are 200 megapixels, above the limit of 199.5"):
        decode(data, max_megapixels=199.5)
    assert not recwarn.list
    assert Pillow.MAX_IMAGE_PIXELS == 89_478_485  # of the process, and others rely on it


@pytest.mark.parametrize(
    ("form", "what"),
    [
        ((32, FLOAT), "a TIFF of 32-bit floating-point numbers, whose white is not known: save it with 8 or 16 bits"),
        ((16, FLOAT), "a TIFF of 16-bit floating-point numbers, whose white"),
        ((16, SIGNED), "a TIFF of 16-bit signed numbers, whose white"),
        ((32, UNSIGNED), "a TIFF of 32-bit numbers, whose white"),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_numbers_without_a_white_are_refused(form: tuple[int, int], what: str, channels: int) -> None:
    data = tiff_of(photo()[..., :channels], *form)
    for read in (read_header, decode):
        with pytest.raises(ImageError, match=what):
            read(data)


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_tiff_of_more_bits_is_scaled_by_its_own_white(bits: int, channels: int) -> None:
    image = photo()[..., :channels]
    data = tiff_of(image.astype(np.uint16) << (bits - 8), bits, UNSIGNED)
    assert read_header(data) == (WIDTH, HEIGHT)
    assert np.abs(decode(data).astype(int) - image[..., ::-1]).max() <= (1 if bits == 16 else 0)


def test_twelve_bits_in_sixteen_are_no_black_image() -> None:
    with pytest.raises(ImageError, match="numbers end below 4096, as if they were of 12: multiply them by 16"):
        decode(tiff_of(photo().astype(np.uint16) << 4, 16, UNSIGNED))
    assert not decode(tiff_of(np.zeros((4, 4, 1), np.uint16), 16, UNSIGNED)).any()


def test_heic_is_read_or_says_what_to_install() -> None:
    if find_spec("pillow_heif") is None:
        with pytest.raises(
            ImageError, match=r'a HEIC image: (uv )?pip install "wider8k\[heic\]" to read it, or convert'
        ):
            decode(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99))
        return
    import pillow_heif

    pillow_heif.register_heif_opener()
    data = saved(Pillow.fromarray(photo()), "HEIF", quality=100)
    assert read_header(data) == (WIDTH, HEIGHT)
    assert np.abs(decode(data).astype(int) - photo()[..., ::-1]).mean() < 3
    with pytest.raises(ImageError, match="damaged"):
        decode(data[: len(data) // 2])


def test_png_round_trip_and_jpeg_quality() -> None:
    bgr = np.ascontiguousarray(photo()[..., ::-1])
    np.testing.assert_array_equal(decode(encode_png(bgr)), bgr)
    assert len(encode_jpeg(bgr, 30)) < len(encode_jpeg(bgr, 95))
    assert np.abs(decode(encode_jpeg(bgr, 95)).astype(int) - bgr).mean() < 3


def test_digest_is_blake2b_of_128_bits() -> None:
    assert hash_bytes(b"") == "cae66941d9efbd404e4d88758ea67670"
    assert hash_bytes(b"a") != hash_bytes(b"b")


def test_resize_is_bilinear_with_aligned_centres() -> None:
    ramp = np.repeat(np.array([[0, 100]], np.uint8)[..., None], 3, axis=2)
    wide = resize(ramp, 4, 1)
    assert wide[0, :, 0].tolist() == [0, 25, 75, 100] and resize(ramp, 2, 1) is ramp
    assert resize(np.zeros((10, 20, 3), np.uint8), 7, 3).shape == (3, 7, 3)


def test_a_jpeg_without_any_scan_is_refused() -> None:
    jpeg = encode_jpeg(photo())
    with pytest.raises(ImageError, match="truncated JPEG"):
        check_complete(jpeg[: jpeg.index(b"\xff\xda")])
    filled = jpeg[:2] + b"\xff\xff\xff" + jpeg[2:]  # fill bytes before a marker are allowed
    check_complete(filled)


def test_an_array_that_no_format_holds_is_refused() -> None:
    with pytest.raises(ImageError, match=r"cannot encode an array of shape \(0, 0, 3\) as \.png"):
        encode_png(np.zeros((0, 0, 3), np.uint8))


def test_pages_are_counted_and_a_damaged_file_has_one(tmp_path: Path) -> None:
    several, damaged, single = (tmp_path / name for name in ("two.tiff", "damaged.tiff", "one.png"))
    first, second = (Pillow.new("RGB", (8, 6), color) for color in ("red", "blue"))
    first.save(several, save_all=True, append_images=[second])
    damaged.write_bytes(several.read_bytes()[:20])
    first.save(single)
    assert [pages(str(file)) for file in (several, damaged, single)] == [2, 1, 1]
