from __future__ import annotations

import os
import zipfile

from pipeline.cluster.upload import largest_files, upload_size


def test_what_is_ignored_is_not_uploaded(tmp_path):
    (tmp_path / "a.py").write_bytes(os.urandom(1000))
    small = upload_size(tmp_path)
    assert 1000 < small < 2000
    (tmp_path / "weights.pth").write_bytes(os.urandom(100_000))
    assert upload_size(tmp_path) > 100_000
    (tmp_path / ".rayignore").write_text("*.pth\n")
    assert upload_size(tmp_path) < small + 1000


def test_it_is_the_size_of_the_archive_that_ray_makes(tmp_path):
    from ray._private.runtime_env.packaging import create_package

    folder, archive = tmp_path / "project", tmp_path / "made.zip"
    (folder / "a/b").mkdir(parents=True)
    (folder / "a/b/c.txt").write_bytes(b"x" * 5000)
    create_package(str(folder), archive, include_gitignore=True)
    assert "a/b/c.txt" in zipfile.ZipFile(archive).namelist()
    assert upload_size(folder) == archive.stat().st_size


def test_the_largest_files_come_first(tmp_path):
    for name, size in {"a": 10, "b": 3000, "c": 200, "ignored": 9999}.items():
        (tmp_path / name).write_bytes(b"x" * size)
    (tmp_path / ".gitignore").write_text("/ignored\n")
    assert largest_files(tmp_path, 2) == [("b", 3000), ("c", 200)]
