import io
import tarfile
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.datasets.wider_face.predictions import read_wider_text
from pipeline.data.records import Detections
from tests.data.wider_text import write_wider_text

A, B = "0--Parade/a", "1--Hand/b"


def _write(folder: Path, **files: str) -> Path:
    """Writes event__name="text" as event/name.txt, with the real events' dashes."""
    for key, text in files.items():
        event, name = key.split("__")
        file = folder / {"P": "0--Parade", "H": "1--Hand"}.get(event, event) / f"{name}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
    return folder


def _tar(folder: Path, target: Path, prefix: str) -> Path:
    with tarfile.open(target, "w:gz") as archive:
        archive.add(folder, prefix)
    return target


def test_folder_and_archive_at_any_depth_read_alike(tmp_path: Path) -> None:
    source = _write(tmp_path / "deep" / "er", P__a="a\n2\n1 2 3 4 0.25 \n5 6 7 8 0.5 \n", H__b="b\n0\n")
    archives = [_tar(source, tmp_path / f"{n}.tar.gz", prefix) for n, prefix in enumerate([".", "x/y", "pred"])]
    for place in (source, tmp_path / "deep", *archives):
        text = read_wider_text(place, [B, A])
        assert text.predictions.image_ids == (B, A) and text.predictions.offsets.tolist() == [0, 0, 2]
        assert text.predictions.boxes.tolist() == [[5, 6, 12, 14], [1, 2, 4, 6]]  # sorted; x2 = x + w
        assert text.predictions.scores.tolist() == [0.5, 0.25] and not (text.missing or text.extra)


def test_odd_files_among_plain_ones(tmp_path: Path) -> None:
    source = _write(tmp_path, P__a="a\r\n2\r\n1  2 3 4 0.5\r\n\r\n1 2 3 4 0.75\r\n", H__b="b\n1\n1 2 3 4 0.125")
    text = read_wider_text(source, [A, B])
    assert text.predictions.scores.tolist() == [0.75, 0.5, 0.125]


def test_six_numbers_in_one_file_do_not_shift_the_others(tmp_path: Path) -> None:
    source = _write(tmp_path, P__a="a\n1\n1 2 3 4 0.5 0.75\n", H__b="b\n1\n1 2 3 4 0.25\n")
    assert read_wider_text(source, [A, B]).predictions.scores.tolist() == [0.75, 0.25]
    assert read_wider_text(source, [A, B], "python").predictions.scores.tolist() == [0.5, 0.25]


def test_ties_keep_the_order_of_the_file_and_python_never_sorts(tmp_path: Path) -> None:
    rows = "1 0 1 1 0.5\n2 0 1 1 0.75\n3 0 1 1 0.5\n4 0 1 1 0.75\n"
    source = _write(tmp_path, P__a=f"a\n4\n{rows}")
    assert read_wider_text(source, [A]).predictions.boxes[:, 0].tolist() == [2, 4, 1, 3]
    assert read_wider_text(source, [A], "python").predictions.boxes[:, 0].tolist() == [1, 2, 3, 4]


def test_count_on_line_two(tmp_path: Path) -> None:
    source = _write(tmp_path, P__a="a\n1\n1 2 3 4 0.5\n1 2 3 4 0.25\n")
    matlab = read_wider_text(source, [A])
    assert matlab.predictions.scores.tolist() == [0.5]
    assert matlab.disagreeing == ("0--Parade/a.txt: line 2 says 1 rows, there are 2",)
    assert read_wider_text(source, [A], "python").predictions.scores.tolist() == [0.5, 0.25]


def test_missing_and_extra_files(tmp_path: Path) -> None:
    source = _write(tmp_path, P__a="a\n1\n1 2 3 4 0.5\n", P__zz="zz\n1\n1 2 3 4 9\n", H__known="known\nbroken")
    text = read_wider_text(source, [A, B], known=[A, B, "1--Hand/known"])
    assert text.missing == (B,) and text.extra == ("0--Parade/zz.txt",)
    assert text.extra_scores.tolist() == []  # the MATLAB tool never opens them
    assert text.predictions.offsets.tolist() == [0, 1, 1]
    python = read_wider_text(source, [A], "python", known=[A, B, "1--Hand/known"])
    assert python.extra_scores.tolist() == [9]
    with pytest.raises(ValueError, match=f"no file for {B}"):
        read_wider_text(source, [A, B], "python", known=["1--Hand/known"])


def test_python_finds_files_by_their_first_line(tmp_path: Path) -> None:
    source = _write(tmp_path, P__whatever="0--Parade/a.jpg\n1\n1 2 3 4 0.5\n")
    text = read_wider_text(source, [A], "python")
    assert (text.predictions.scores.tolist(), text.extra) == ([0.5], ())
    assert read_wider_text(source, [A]).missing == (A,)
    # The characters . j p g are stripped, not the suffix.
    stripped = _write(tmp_path / "s", P__x="jpg_gap.jpg\n0\n")
    assert read_wider_text(stripped, ["0--Parade/jpg_ga"], "python").missing == ()


def test_two_files_with_one_name(tmp_path: Path) -> None:
    twice = _write(tmp_path / "t", P__x="a\n0\n", P__y="a\n0\n")
    with pytest.raises(ValueError, match=r"txt:1: expected a name that .* does not have, found 'a'"):
        read_wider_text(twice, [A], "python")
    nested = _write(tmp_path / "n", P__a="a\n0\n")
    _write(nested / "copy", P__a="a\n0\n")
    with pytest.raises(ValueError, match=f"both files of {A}"):
        read_wider_text(nested, [A])


def test_every_malformed_file_is_listed(tmp_path: Path) -> None:
    source = _write(tmp_path, P__a="a\n1\n1 2 3 x 0.5\n", H__b="b\n3\n1 2 3 4 0.5\n", H__c="c\n1\n1 2 3 4 0.5\n")
    with pytest.raises(ValueError, match="2 malformed files") as caught:
        read_wider_text(source, [A, B, "1--Hand/c", "1--Hand/d"])
    assert sorted(str(caught.value).splitlines()) == [
        f"{source}: 2 malformed files:",
        "0--Parade/a.txt:3: expected a row 'x y w h score' of five numbers, found '1 2 3 x 0.5'",
        "1--Hand/b.txt:4: expected 3 rows as line 2 says, found 1 rows",
    ]


def test_unreadable_sources(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no predictions at"):
        read_wider_text(tmp_path / "none", [A])
    broken = tmp_path / "x.tar.gz"
    broken.write_bytes(b"not a tar")
    with pytest.raises(ValueError, match="cannot be read as a tar archive"):
        read_wider_text(broken, [A])
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        archive.add(_write(tmp_path / "f", P__a="a\n1\n" + "1 2 3 4 0.5\n"), "f")
    broken.write_bytes(content.getvalue()[:-40])
    with pytest.raises(ValueError, match="cannot be read as a tar archive"):
        read_wider_text(broken, [A])


def _detections(image_id: str) -> Detections:
    boxes = np.array([[-1.75, 2.5, 10.25, 20.125], [0.1, 0.2, 0.3, 0.4], [7, 7, 9, 9]], np.float32)
    return Detections(image_id, 30, 30, boxes, np.array([0.9, 0.3, 0.3], np.float32))


def test_written_floats_come_back_to_the_last_bit(tmp_path: Path) -> None:
    written = write_wider_text(tmp_path, [_detections(A), Detections(B, 0, 0, error="broken")], truncate=False)
    text = read_wider_text(tmp_path, [A, B])
    assert written == 2 and not (text.missing or text.extra or text.disagreeing)
    assert text.predictions.boxes.tolist() == _detections(A).boxes.astype(np.float64).tolist()
    assert text.predictions.scores.tolist() == _detections(A).scores.astype(np.float64).tolist()


def test_truncated_as_the_reference_writes(tmp_path: Path) -> None:
    write_wider_text(tmp_path, [_detections(A)])
    lines = (tmp_path / f"{A}.txt").read_text().split("\n")
    score = float(np.float32(0.3))
    assert lines[:2] == ["a", "3"] and lines[2].startswith("-1 2 11 18 0.89")
    assert lines[3:] == [f"0 0 0 0 {score} ", f"7 7 2 2 {score} ", ""]
