"""Options of `detect` that exclude each other; the command's own tests are in `test_detect.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from stages.cli.detect_options import require_blurred, require_outputs


def test_what_is_blurred_must_be_found() -> None:
    require_blurred(0.2, 0.2)
    with pytest.raises(
        ValueError, match=r"^--score 0\.3: boxes down to --blur-score 0\.2 are blurred, expected at most"
    ):
        require_blurred(0.3, 0.2)


def test_two_kinds_need_two_folders_by_whatever_name(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").symlink_to(tmp_path / "a")
    require_outputs({"out": tmp_path / "a", "blur": tmp_path / "c"}, {}, [])
    with pytest.raises(ValueError, match=r"^--blur .*b: expected another folder than that of --out, found the same$"):
        require_outputs({"out": tmp_path / "a", "blur": tmp_path / "b"}, {}, [])


def test_an_output_is_none_of_the_inputs(tmp_path: Path) -> None:
    photo = tmp_path / "a.json"
    photo.touch()
    with pytest.raises(ValueError, match=r"a\.json"):
        require_outputs({}, {"--json": photo}, [photo])
