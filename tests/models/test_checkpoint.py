import io
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pipeline.models.checkpoint import Checkpoint, published_detector
from pipeline.models.detectors import DETECTORS
from pipeline.models.published import PUBLISHED, cached
from pipeline.models.weights import save_bytes

STD = "2979b33ffafda5d74b6948cd7a5b9a7a62f62b949cef24e95fd15d2883a65220"
MB1 = "ed6fa7d45a5179f03cb5ce82c73b0c6711372968e53782e88395acee88d319e1"


def test_the_content_hash_is_sha256_of_bytes_or_file(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    for source in (b"abc", tmp_path / "x", str(tmp_path / "x")):
        assert Checkpoint(source).content_hash == expected


@pytest.mark.wider
def test_published_files_are_known(shared: Path) -> None:
    weights = shared / "data/weights"
    assert Checkpoint(weights / "retinaface_mobilenet0.25_Final.pth").detector() == "retinaface_mobilenet"
    assert Checkpoint(weights / "facedetector1mb_mobilenet0.25_Final.pth").detector() == "retinaface_mobilenet_mb1"
    assert published_detector(Checkpoint(weights / "extd_64.pth").content_hash) is None


def test_a_known_checkpoint_is_refused_to_the_other_variant(monkeypatch: pytest.MonkeyPatch) -> None:
    def known(content_hash: str) -> Checkpoint:
        checkpoint = Checkpoint(b"published")
        monkeypatch.setitem(vars(checkpoint), "content_hash", content_hash)
        return checkpoint

    assert known(STD).detector("retinaface_mobilenet") == "retinaface_mobilenet"
    with pytest.raises(ValueError, match="use detector retinaface_mobilenet_mb1"):
        known(MB1).detector("retinaface_mobilenet")
    with pytest.raises(ValueError, match=r"is retinaface_mobilenet .*not retinaface_resnet50"):
        known(STD).detector("retinaface_resnet50")


def test_an_unknown_checkpoint_needs_a_name() -> None:
    theirs = io.BytesIO()
    torch.save({"a": torch.ones(2)}, theirs)
    with pytest.raises(ValueError, match=r"unknown: say which detector.*retinaface_mobilenet_mb1"):
        Checkpoint(theirs.getvalue()).detector()
    with pytest.raises(ValueError, match=r"not a checkpoint .*\(the file is text that starts with 'who knows'"):
        Checkpoint(b"who knows").detector()  # no name would make weights of it
    assert Checkpoint(b"who knows").detector("retinaface_resnet50") == "retinaface_resnet50"
    with pytest.raises(ValueError, match="no detector is called 'retina'"):
        Checkpoint(b"who knows").detector("retina")


def test_our_own_files_name_their_detector(tmp_path: Path) -> None:
    data = save_bytes("retinaface_mobilenet_mb1", DETECTORS["retinaface_mobilenet_mb1"].build(), {"seed": 3})
    (tmp_path / "own").write_bytes(data)
    for source in (data, tmp_path / "own"):
        assert Checkpoint(source).config == {"detector": "retinaface_mobilenet_mb1", "seed": 3}
        assert Checkpoint(source).detector() == "retinaface_mobilenet_mb1"
        with pytest.raises(ValueError, match="by the name stored in it"):
            Checkpoint(source).detector("retinaface_mobilenet")


@pytest.mark.parametrize("data", [b"{", b"\x02\0\0\0\0\0\0\0{}", b"\xff" * 30])
def test_other_bytes_have_no_configuration(data: bytes) -> None:
    checkpoint = Checkpoint(data)
    assert (checkpoint.config, checkpoint.kind, checkpoint.model_args) == ({}, None, {})


def test_what_was_read_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "own"
    file.write_bytes(save_bytes("retinaface_mobilenet", DETECTORS["retinaface_mobilenet"].build()))
    checkpoint = Checkpoint(file)
    assert (checkpoint.kind, len(checkpoint.tensors)) == ("detector", 300)
    content_hash = checkpoint.content_hash
    file.unlink()
    assert checkpoint.content_hash == content_hash
    assert len(checkpoint.tensors) == 300
    assert Checkpoint.of(checkpoint) is checkpoint


def test_neither_the_tables_nor_a_checkpoint_import_torch() -> None:
    code = (
        "import sys; from pipeline.models.checkpoint import Checkpoint;"
        "Checkpoint(b'who knows').detector('mogface'); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_published_name_is_its_fetched_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    name = next(iter(PUBLISHED))
    with pytest.raises(ValueError, match=f"{name}: not fetched yet: wider8k weights get {name}"):
        Checkpoint(name)
    file = cached(name)
    file.parent.mkdir(parents=True)
    file.write_bytes(save_bytes("retinaface_mobilenet", DETECTORS["retinaface_mobilenet"].build(), {}))
    assert Checkpoint(name).content_hash == Checkpoint(file).content_hash
    assert Checkpoint(name).detector() == "retinaface_mobilenet"
    with pytest.raises(FileNotFoundError, match=r"^gone\.pth: expected a weights file, or a name that wider8k"):
        Checkpoint("gone.pth")
