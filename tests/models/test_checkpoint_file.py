from __future__ import annotations

import io
import json
import pickle
import re
import zipfile
from pathlib import Path

import pytest
import torch

from pipeline.models.checkpoint import Checkpoint
from pipeline.models.checkpoint_file import MOST_TIMES, whole_header
from pipeline.models.detectors import DETECTORS
from pipeline.models.weights import open_detector, save_bytes


def header(content: object, body: bytes = b"") -> bytes:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return len(text).to_bytes(8, "little") + text + body


@pytest.fixture(scope="module")
def ours() -> bytes:
    return save_bytes("retinaface_mobilenet", DETECTORS["retinaface_mobilenet"].build())


@pytest.fixture(scope="module")
def theirs() -> bytes:
    sink = io.BytesIO()
    torch.save(DETECTORS["retinaface_mobilenet"].build().state_dict(), sink)
    return sink.getvalue()


def test_whole_files_pass(ours: bytes, theirs: bytes, tmp_path: Path) -> None:
    legacy = io.BytesIO()
    torch.save({"a": torch.ones(2)}, legacy, _use_new_zipfile_serialization=False)
    for data in (ours, theirs, legacy.getvalue(), b"who knows", header({})):
        whole_header(data)
        (tmp_path / "file").write_bytes(data)
        whole_header(tmp_path / "file")


def test_a_file_that_is_not_whole_is_named_before_anything_is_built(ours: bytes, theirs: bytes, tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    tensor = {"dtype": "F32", "shape": [3], "data_offsets": [0, 4]}
    for data, words in (
        (b"", "a checkpoint, found an empty file"),
        (b"\n<!DOCTYPE html><html>404</html>", "a checkpoint, found an HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "found a pointer of Git LFS"),
        (bytes(4096), "found zeros only"),
        (ours[: len(ours) // 2], f"a checkpoint of {len(ours):,} bytes, found {len(ours) // 2:,}: cut off"),
        (ours[:-1], f"found {len(ours) - 1:,}: cut off, fetch it again"),
        (ours + b"x", "something was added to it"),
        (ours[:100], "checkpoint is cut off in its header"),
        (theirs[: len(theirs) // 2], f"checkpoint is cut off after {len(theirs) // 2:,} bytes: fetch it again"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "a checkpoint, found a PNG image"),
        (header(b'{"a":' * 50_000 + b"1" + b"}" * 50_000), "header cannot be read"),
        (header(b'{"a": nonsense}'), "header cannot be read"),
        (header({"a": 3}), "does not say where its tensors are"),
    ):
        file.write_bytes(data)
        for call in (
            lambda: Checkpoint(file).detector("retinaface_mobilenet"),
            lambda: open_detector(file, "retinaface_mobilenet"),
            lambda: Checkpoint(file).ranker(),
            lambda: Checkpoint(file).tensors,
        ):
            with pytest.raises(ValueError, match=f"^{file}: .*{re.escape(words)}") as caught:
                call()
            assert "\n" not in str(caught.value)
        with pytest.raises(ValueError, match="^(expected|the) "):
            _ = Checkpoint(data).tensors  # bytes have no name
    file.write_bytes(header({"a": tensor}, b"1234"))
    with pytest.raises(ValueError, match=rf"^{file}: not a safetensors file that can be read: "):
        _ = Checkpoint(file).tensors


@pytest.mark.parametrize("zipped", [True, False])
def test_a_published_file_that_is_cut_off_anywhere(zipped: bool, tmp_path: Path) -> None:
    file, whole = tmp_path / "weights.pth", io.BytesIO()
    torch.save({"a": torch.ones(500)}, whole, _use_new_zipfile_serialization=zipped)
    data = whole.getvalue()
    for size in (60, len(data) // 2, len(data) - 1):
        file.write_bytes(data[:size])
        with pytest.raises(
            ValueError, match=f"^{file}: the checkpoint is cut off after {size:,} bytes: fetch it again"
        ):
            open_detector(file)


def test_a_pickle_is_named_and_nothing_else_is_printed(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    file = tmp_path / "weights.pkl"
    file.write_bytes(pickle.dumps({"a": Path("x")}, protocol=4))
    with pytest.raises(ValueError, match=rf"^{file}: not a checkpoint .*\(the file is a Python pickle\)"):
        open_detector(file)
    assert not recwarn.list


def test_bytes_that_torch_cannot_read_are_named(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    for content, words in (
        ({0: torch.ones(1)}, "checkpoint must map names to tensors, this one holds 0, which is Tensor"),
        ({"a": 1}, "one holds 'a', which is int"),
        ([torch.ones(1)], "holds list"),
        (Path("x"), "checkpoint that torch can load safely: "),
    ):
        torch.save(content, file)
        with pytest.raises(ValueError, match=f"^{file}: .*{re.escape(words)}") as caught:
            _ = Checkpoint(file).tensors
        assert "\n" not in str(caught.value)
    file.write_bytes(b"MATLAB 5.0")
    with pytest.raises(ValueError, match=r"weights\.pth: not a checkpoint .*\(the file is a MATLAB file\)"):
        _ = Checkpoint(file).tensors


def test_switches_that_build_nothing_name_the_file(tmp_path: Path) -> None:
    file = tmp_path / "odd.safetensors"
    file.write_bytes(
        save_bytes("retinaface_mobilenet", DETECTORS["retinaface_mobilenet"].build(), {"model_args": {"sizes": 3}})
    )
    with pytest.raises(ValueError, match=rf"^{file}: no network with the switches sizes=3: "):
        open_detector(file)


def test_a_zip_that_opens_to_far_more_than_it_has_is_no_checkpoint(tmp_path: Path) -> None:
    file = tmp_path / "bomb.pth"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(20_000_000))
    size = file.stat().st_size
    assert size * MOST_TIMES < 20_000_000
    for source in (file, file.read_bytes()):
        with pytest.raises(
            ValueError, match=f"expected a checkpoint, found a zip of {size:,} bytes that opens to 20,000,000"
        ):
            whole_header(source)
