"""Which files are videos, by their first bytes, and by the endings of their names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from pipeline.data.image_kinds import HEAD, kind_of

ENDINGS: Final = (
    *(".mp4", ".m4v", ".mov", ".3gp", ".avi", ".mkv", ".webm", ".wmv", ".asf", ".flv", ".mpg", ".mpeg", ".ts"),
    *(".m2ts", ".mts", ".vob", ".ogv", ".mxf"),
)
"""That claim to be a video, in lower case."""

_STARTS: Final = re.compile(
    rb"RIFF.{4}AVI |\x1a\x45\xdf\xa3|\x30\x26\xb2\x75\x8e\x66\xcf\x11|FLV\x01|\0\0\x01\xba|OggS|\x06\x0e\x2b\x34"
    rb"|\0.{3}(?:moov|wide|skip|free)|.{4}mdat",  # sizes below 16 MB: text may begin with "the free"
    re.DOTALL,
)


def is_video(file: Path) -> bool:
    """Returns whether a file is taken as a video: by its first bytes, or by its name where these are of no image.

    One that cannot be opened is a video by its name: its own error is said where it is read.
    """
    try:
        with file.open("rb") as opened:
            head = opened.read(HEAD)
    except OSError:
        head = b""
    if kind_of(head) is not None:
        return False
    # The container of HEIC and AVIF, which `kind_of` knows, is that of MP4 and QuickTime.
    return head[4:8] == b"ftyp" or bool(_STARTS.match(head)) or file.name.lower().endswith(ENDINGS)
