import gzip
import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.data.datasets.wider_face.prediction_files import MOST_BYTES, text_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty files, two of them named in another way."""
    place = tmp_path / "text" / "e"
    place.mkdir(parents=True)
    for number in range(18):
        (place / f"{number}.txt").write_text(f"{number}\n1\n{number} 2 3 4 0.{number}1234567\n")
    (place / "18.TXT").write_text("18\n0\n")
    (place / "notes.md").write_text("notes")
    return place.parent


def test_a_folder_and_archives_hold_the_same(folder: Path, tmp_path: Path) -> None:
    others: list[str] = []
    expected = text_files(folder, others)
    assert sorted(others) == ["e/18.TXT", "e/notes.md"]
    assert sorted(expected) == sorted(f"e/{number}" for number in range(18))
    for ending in ("tar.gz", "tar", "tar.bz2", "tar.xz"):
        file = tmp_path / f"text.{ending}"
        with tarfile.open(file, f"w:{ending.removeprefix('tar').removeprefix('.')}") as archive:
            archive.add(folder, "any/where")
        others = []
        assert text_files(file, others) == expected
        assert [name.rpartition("/")[2] for name in sorted(others)] == ["18.TXT", "notes.md"]
        if ending != "tar":
            file.write_bytes(file.read_bytes()[:-60])
            with pytest.raises(
                ValueError, match=f"^{file} cannot be read as a tar archive: .* perhaps cut off"
            ) as caught:
                text_files(file, others)
            assert "\n" not in str(caught.value)


def bomb(file: Path, name: str, size: int, kind: str = "gz") -> None:
    with tarfile.open(file, f"w:{kind}") as archive:
        entry = tarfile.TarInfo(name)
        entry.size = size
        archive.addfile(entry, Zeros())


class Zeros(io.RawIOBase):
    def read(self, size: int = -1) -> bytes:
        return bytes(size)


def peak_growth(action: Callable[[], object]) -> int:
    """Returns by how many bytes an action raises what is in memory of this process, at its peak."""

    def resident(field: str) -> int:
        return next(int(line.split()[1]) * 1024 for line in status.read_text().splitlines() if line.startswith(field))

    status, before = Path("/proc/self/status"), 0
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    action()
    return resident("VmHWM") - before


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
def test_a_member_that_opens_to_too_much_is_refused_unread(tmp_path: Path, kind: str) -> None:
    file, size = tmp_path / "predictions.tar.gz", MOST_BYTES + 300_000_000 if kind == "gz" else MOST_BYTES + 1
    bomb(file, "e/one.txt", size, kind)
    assert file.stat().st_size < size / 900

    def read() -> None:
        message = (
            f"^{file}: expected the predictions of one image per .txt, found e/one.txt of {size:,} bytes, and none"
        )
        with pytest.raises(ValueError, match=message):
            text_files(file, [])

    assert peak_growth(read) < 40_000_000


def test_a_header_that_opens_to_too_much_is_refused_unread(tmp_path: Path) -> None:
    """Names of members may be in parts of any length, which tarfile reads whole."""
    file = tmp_path / "predictions.tar.gz"
    entry = tarfile.TarInfo("pax")
    entry.type, entry.size = tarfile.XHDTYPE, 300_000_000
    with gzip.open(file, "wb") as out:
        out.write(entry.tobuf(tarfile.USTAR_FORMAT))
        for _ in range(300):
            out.write(bytes(1_000_000))

    def read() -> None:
        with pytest.raises(ValueError, match=r"found a part of 300,\d+,\d+ bytes, and none above 67,108,864 is read"):
            text_files(file, [])

    assert peak_growth(read) < 40_000_000


def test_what_is_too_much_together_is_refused(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.data.datasets.wider_face.prediction_files.memory_limit", lambda: 600)
    with pytest.raises(ValueError, match="half of this machine's memory"):
        text_files(folder, [])


def test_other_files_of_a_folder_are_refused(folder: Path) -> None:
    os.mkfifo(folder / "e" / "pipe.txt")
    with pytest.raises(
        ValueError, match=r"pipe\.txt: expected the predictions of one image, found not a regular file but"
    ):
        text_files(folder, [])
    (folder / "e" / "pipe.txt").unlink()
    with (folder / "e" / "large.txt").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(ValueError, match=r"large\.txt: expected the predictions of one image, found a file of 0\.1 GB"):
        text_files(folder, [])


def test_what_is_no_archive_is_named(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "text.tar.gz"
    with zipfile.ZipFile(file, "w") as archive:
        archive.write(folder / "e" / "0.txt", "e/0.txt")
    for content, words in (
        (file.read_bytes(), "a zip archive"),
        (b"", "an empty file"),
        (b"<html></html>", "an HTML page"),
        (b"e/0\n1\n1 2 3 4 5\n", "text that starts with 'e/0'"),
    ):
        file.write_bytes(content)
        expected = "expected a folder or a whole .tar.gz of <event>/<name>.txt"
        with pytest.raises(ValueError, match=f"^{file} cannot be read as a tar archive: {expected}, found {words}"):
            text_files(file, [])
