import tarfile
import zipfile
from pathlib import Path

import pytest

from pipeline.data.datasets.wider_face.prediction_files import text_files


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
