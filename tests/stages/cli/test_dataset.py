"""The two commands on labelled images, as a user types them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.images import decode, encode_png

HEADING = "image,x1,y1,x2,y2,ignore\n"


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    root = tmp_path / "set"
    rows = []
    for index in range(20):
        file = root / "photos" / f"{index:02d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode_png(np.full((68, 80, 3), 100, np.uint8)))
        rows.append(f"photos/{file.name},10,5,50,{45 + index},{index % 2}\n")
    (root / "labels.csv").write_text(HEADING + "".join(rows))
    return root


def test_inspect_prints_counts_and_draws_twelve(wider8k, labelled: Path, tmp_path: Path) -> None:
    answer = wider8k("dataset", "inspect", labelled, "--sheet", tmp_path / "sheet.png")
    assert answer.code == 0, answer.err
    lines = answer.out.splitlines()
    assert lines[0] == "form     CSV (--set faces.dataset=csv)"
    assert "faces    20, 10 of them ignored" in lines
    assert lines[-2] == f"sheet    {tmp_path / 'sheet.png'}: 12 images"
    assert (
        lines[-1]
        == f"next: wider8k run -c own --set faces.path={labelled} --set faces.dataset=csv --set boxes.path=WEIGHTS"
    )
    sheet = decode((tmp_path / "sheet.png").read_bytes())
    assert sheet.shape[1] > 4 * 480
    blue, green, red = (sheet[:, :, channel].astype(int) for channel in range(3))
    assert (green > np.maximum(red, blue) + 30).sum() > 5000  # faces that count
    assert (red > green + 30).sum() > 5000  # ignored ones are orange


def test_a_contradiction_is_exit_code_1(wider8k, labelled: Path, tmp_path: Path) -> None:
    (labelled / "labels.csv").write_text("image,x1,y1,x2,y2,width,height\nphotos/00.png,0,0,40,40,160,120\n")
    answer = wider8k("dataset", "inspect", labelled, "--sheet", tmp_path / "sheet.jpg")
    assert answer.code == 1
    assert answer.err.startswith("problem  ") and "--set faces.dataset.sizes=scale" in answer.err
    assert (tmp_path / "sheet.jpg").is_file()


def test_labels_without_their_images_are_counted(wider8k, labelled: Path, tmp_path: Path) -> None:
    os.rename(labelled / "photos", tmp_path / "photos")
    answer = wider8k("dataset", "inspect", labelled, "--sheet", tmp_path / "sheet.jpg")
    assert answer.code == 1 and "faces    20, 10 of them ignored" in answer.out.splitlines()
    assert answer.err.endswith("and 17 more; --images names their folder\n")
    again = wider8k("dataset", "inspect", labelled, "--images", tmp_path, "--sheet", tmp_path / "sheet.jpg")
    assert again.code == 0, again.err


def test_the_next_command_leaves_out_absent_images(wider8k, labelled: Path, tmp_path: Path) -> None:
    (labelled / "photos/03.png").unlink()
    answer = wider8k("dataset", "inspect", labelled, "--sheet", tmp_path / "sheet.jpg")
    command = answer.out.splitlines()[-1].removeprefix("next: wider8k ").split()
    assert answer.code == 0 and "faces.dataset.missing=skip" in command, answer.err
    planned = wider8k("plan", *command[1:], "--until", "faces", "--set", f"store={tmp_path / 'store'}")
    assert planned.code == 0 and "19" in planned.out, planned.err


def test_convert_and_inspect_again(wider8k, labelled: Path, tmp_path: Path) -> None:
    out = tmp_path / "yolo set"
    answer = wider8k("dataset", "convert", labelled, "--to", "yolo", "--out", out)
    assert answer.code == 0, answer.err
    assert answer.out.splitlines() == [
        "remark   10 ignored faces are left out: YOLO text has no mark for them",
        f"{out}: 20 images, 10 faces",
        f"next: wider8k dataset inspect '{out}'",
    ]
    assert (out / "images/photos/00.png").is_symlink()
    again = wider8k("dataset", "inspect", out, "--sheet", tmp_path / "sheet.jpg")
    assert again.code == 0 and "faces    10, 0 of them ignored" in again.out.splitlines()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("inspect", "{set}/gone"), "error: no labels at "),
        (
            ("inspect", "{set}", "--sheet", "a.gif"),
            "error: --sheet a.gif: expected the ending .jpg or .png, found '.gif'",
        ),
        (("inspect", "{set}", "--form", "yol"), "error: no form of labels is called 'yol' (did you mean 'yolo'?"),
        (("convert", "{set}", "--to", "yol", "--out", "{set}/new"), "error: no form of labels is called 'yol'"),
        (
            ("convert", "{set}", "--to", "csv", "--out", "{set}"),
            "error: {set}: expected an empty folder or none, found",
        ),
        (
            ("convert", "{set}", "--to", "face_eval_mat", "--out", "{set}/new"),
            "error: MATLAB of face-eval is read, and",
        ),
    ],
)
def test_a_mistake_is_one_line(wider8k, labelled: Path, words: tuple[str, ...], message: str) -> None:
    answer = wider8k("dataset", *(word.format(set=labelled) for word in words))
    assert answer.code == 2
    assert answer.err.startswith(message.format(set=labelled))
    assert answer.err.count("\n") == 1


def test_inspect_of_a_store_prints_what_it_prints_of_a_disk(
    wider8k, labelled: Path, tmp_path: Path, stored: Callable[[Path], str]
) -> None:
    sheets = tmp_path / "here.png", tmp_path / "there.png"
    address = stored(labelled)
    here = wider8k("dataset", "inspect", labelled, "--sheet", sheets[0])
    there = wider8k("dataset", "inspect", address, "--sheet", sheets[1])
    assert there.code == 0, there.err
    assert there.out.replace(address, str(labelled)).replace("there.png", "here.png") == here.out
    assert sheets[0].read_bytes() == sheets[1].read_bytes()
    host = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://")
    keys = f"{address.replace('s3://', 's3://KEYID:S3cr3t@')}?scheme=http&endpoint_override={host}"
    named = wider8k(
        "dataset", "inspect", keys, "--images", f"{keys.replace('/set?', '/set/photos?')}", "--sheet", sheets[0]
    )
    assert named.code == 0, named.err
    assert "faces    20, 10 of them ignored" in named.out
    assert "S3cr3t" not in named.out + named.err
    refused = wider8k("dataset", "convert", address, "--to", "yolo", "--out", tmp_path / "out")
    assert (
        refused.err
        == f"error: {address}/labels.csv: expected labels on a disk: what is in a store is read, and not converted\n"
    )
    nowhere = wider8k("dataset", "inspect", "s3://no-such-bucket/x")
    assert (nowhere.code, nowhere.err) == (2, "error: s3://no-such-bucket: no such bucket\n")
