import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.models.checkpoint_id import checkpoint_hash, resolve_detector, stored_config, variant_of
from pipeline.models.detectors import DETECTORS
from pipeline.models.weights import save_bytes

STD = "2979b33ffafda5d74b6948cd7a5b9a7a62f62b949cef24e95fd15d2883a65220"
MB1 = "ed6fa7d45a5179f03cb5ce82c73b0c6711372968e53782e88395acee88d319e1"


def test_digest_is_sha256_of_bytes_or_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert (
        checkpoint_hash(b"abc") == checkpoint_hash(tmp_path / "x") == checkpoint_hash(str(tmp_path / "x")) == expected
    )


@pytest.mark.wider
def test_published_files_are_known(shared: Path) -> None:
    weights = shared / "data/weights"
    assert resolve_detector(weights / "retinaface_mobilenet0.25_Final.pth") == "retinaface_mobilenet"
    assert resolve_detector(weights / "facedetector1mb_mobilenet0.25_Final.pth") == "retinaface_mobilenet_mb1"
    assert variant_of(checkpoint_hash(weights / "extd_64.pth")) is None


def test_a_known_checkpoint_is_refused_to_the_other_variant() -> None:
    assert resolve_detector(sha256=STD, requested="retinaface_mobilenet") == "retinaface_mobilenet"
    with pytest.raises(ValueError, match="use detector retinaface_mobilenet_mb1"):
        resolve_detector(sha256=MB1, requested="retinaface_mobilenet")
    with pytest.raises(ValueError, match=r"is retinaface_mobilenet .*not retinaface_resnet50"):
        resolve_detector(sha256=STD, requested="retinaface_resnet50")


def test_an_unknown_checkpoint_needs_a_name() -> None:
    with pytest.raises(ValueError, match=r"unknown: say which detector.*retinaface_mobilenet_mb1"):
        resolve_detector(b"who knows")
    assert resolve_detector(b"who knows", "retinaface_resnet50") == "retinaface_resnet50"
    with pytest.raises(ValueError, match="no detector is called 'retina'"):
        resolve_detector(b"who knows", "retina")
    with pytest.raises(ValueError, match="checkpoint or its digest"):
        resolve_detector()


def test_our_own_files_name_their_detector(tmp_path: Path) -> None:
    data = save_bytes("retinaface_mobilenet_mb1", DETECTORS["retinaface_mobilenet_mb1"].build(), {"seed": 3})
    (tmp_path / "own").write_bytes(data)
    for source in (data, tmp_path / "own"):
        assert stored_config(source) == {"detector": "retinaface_mobilenet_mb1", "seed": 3}
        assert resolve_detector(source) == "retinaface_mobilenet_mb1"
        with pytest.raises(ValueError, match="by the name stored in it"):
            resolve_detector(source, "retinaface_mobilenet")


@pytest.mark.parametrize("data", [b"", b"{", b"\x02\0\0\0\0\0\0\0{}", b"PK\3\4" + bytes(50), b"\xff" * 30])
def test_other_bytes_have_no_name(data: bytes) -> None:
    assert stored_config(data) is None


def test_neither_the_table_nor_identity_imports_torch() -> None:
    code = "import sys, pipeline.models.detectors, pipeline.models.checkpoint_id; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
