import tarfile
import zipfile
from pathlib import Path

import pytest

from pipeline.data.datasets.wider_face.prediction_files import is_archive, members, text_files


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty files, one of them in capitals and one that is another's, and what a Mac adds."""
    place = tmp_path / "text" / "e"
    place.mkdir(parents=True)
    for number in range(18):
        (place / f"{number}.txt").write_text(f"{number}\n1\n{number} 2 3 4 0.{number}1234567\n")
    (place / "18.TXT").write_text("18\n0\n")
    (place / "._0.txt").write_bytes(b"\0\5\x16\7")
    (place / "notes.md").write_text("notes")
    return place.parent


def test_a_folder_and_archives_hold_the_same(folder: Path, tmp_path: Path) -> None:
    others: list[str] = []
    expected = text_files(folder, others)
    assert others == ["e/notes.md"]
    assert sorted(expected) == sorted(f"e/{number}" for number in range(19))
    for ending in ("tar.gz", "tar", "tar.bz2", "tar.xz"):
        file = tmp_path / f"text.{ending}"
        with tarfile.open(file, f"w:{ending.removeprefix('tar').removeprefix('.')}") as archive:
            archive.add(folder, "any/where")
        others = []
        assert text_files(file, others) == expected
        assert others == ["any/where/e/notes.md"]
        if ending != "tar":
            file.write_bytes(file.read_bytes()[:-60])
            with pytest.raises(
                ValueError, match=f"^{file} cannot be read as a tar archive: .* perhaps cut off"
            ) as caught:
                text_files(file, others)
            assert "\n" not in str(caught.value)


def test_what_is_no_archive_is_named(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "text.tar.gz"
    for content, words in (
        (b"", "an empty file"),
        (b"<html></html>", "an HTML page"),
        (b"e/0\n1\n1 2 3 4 5\n", "text that starts with 'e/0'"),
    ):
        file.write_bytes(content)
        expected = "expected a folder or a whole .tar.gz or .zip of <event>/<name>.txt"
        with pytest.raises(ValueError, match=f"^{file} cannot be read as a tar archive: {expected}, found {words}"):
            text_files(file, [])


def test_a_zip_archive_holds_the_same_whatever_its_name(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "text.tar.gz"
    with zipfile.ZipFile(file, "w") as archive:
        for each in sorted(folder.rglob("*")):
            archive.write(each, Path("any/where", each.relative_to(folder)))
        archive.writestr("__MACOSX/any/where/e/0.txt", b"\0")
    assert is_archive(file) and not is_archive(folder) and not is_archive(folder / "e/0.txt")
    assert text_files(file, []) == text_files(folder, [])
    file.write_bytes(file.read_bytes()[:-60])
    with pytest.raises(ValueError, match=f"^{file} cannot be read as a zip archive: .* perhaps cut off"):
        text_files(file, [])


def test_members_know_their_size_and_image(folder: Path) -> None:
    found = {member.name: member for member in members(folder, [])}
    assert (found["e/18.TXT"].image, found["e/18.TXT"].size, found["e/18.TXT"].read()) == ("e/18", 5, b"18\n0\n")
    assert list(found) == sorted(found)  # not in the file system's order
    others: list[str] = []
    for number in range(5):
        (folder / f"{number}.md").write_text("")
    list(members(folder, others))
    assert len(others) == 3
    list(members(folder, others, name_all=True))
    assert len(others) == 3 + 6
