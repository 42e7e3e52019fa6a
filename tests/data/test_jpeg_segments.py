"""The header of a JPEG segment by segment, of real files and of damaged ones."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image as Pillow

from pipeline.data.images import encode_jpeg
from pipeline.data.jpeg_segments import SCAN, in_several_scans, jpeg_segments


def jpeg(**options: bool) -> bytes:
    sink = BytesIO()
    Pillow.fromarray(np.arange(64 * 64 * 3, dtype=np.uint8).reshape(64, 64, 3)).save(sink, "JPEG", **options)
    return sink.getvalue()


def test_each_segment_begins_with_its_marker_and_the_scan_is_the_last() -> None:
    data = jpeg()
    found = list(jpeg_segments(data))
    assert [data[position : position + 2] for _, position in found] == [bytes((0xFF, marker)) for marker, _ in found]
    markers = [marker for marker, _ in found]
    assert markers[0] == 0xE0
    assert markers.count(SCAN) == 1
    assert markers[-1] == SCAN
    assert 0xC0 in markers


def test_fill_bytes_are_passed_over() -> None:
    data = jpeg()
    filled = data[:2] + b"\xff\xff\xff" + data[2:]
    assert [(marker, position - 3) for marker, position in jpeg_segments(filled)] == list(jpeg_segments(data))


def test_a_thumbnails_scan_is_inside_a_segment() -> None:
    data, inner = jpeg(), jpeg()
    segment = b"\xff\xe1" + (len(inner) + 2).to_bytes(2, "big") + inner
    found = list(jpeg_segments(data[:2] + segment + data[2:]))
    assert [marker for marker, _ in found] == [0xE1, *(marker for marker, _ in jpeg_segments(data))]


def test_progressive_files_are_in_several_scans() -> None:
    assert not in_several_scans(jpeg())
    assert not in_several_scans(encode_jpeg(np.zeros((64, 64, 3), np.uint8)))
    assert in_several_scans(jpeg(progressive=True))


def test_components_one_after_another_are_several_scans() -> None:
    data = bytearray(jpeg())
    position = next(position for marker, position in jpeg_segments(bytes(data)) if marker == SCAN)
    data[position + 4] = 1
    assert in_several_scans(bytes(data))


@pytest.mark.parametrize("length", [0, 2, 3, 5, 25, 160])
def test_a_header_that_is_cut_off_ends_and_counts_as_the_most_memory(length: int) -> None:
    data = jpeg()[:length]
    assert SCAN not in [marker for marker, _ in jpeg_segments(data)]
    assert in_several_scans(data)
