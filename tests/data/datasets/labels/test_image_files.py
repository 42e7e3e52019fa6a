from __future__ import annotations

from pathlib import Path

from pipeline.data.datasets.labels.image_files import image_sizes, locate_images


def test_a_path_below_the_folder_comes_first() -> None:
    files = {"a.jpg", "images/a.jpg", "photos/a.jpg", "photos/images/b.jpg"}
    assert locate_images(["a.jpg"], files) == ["a.jpg"]
    assert locate_images(["a.jpg", "b.jpg"], files, "photos") == ["photos/a.jpg", "photos/images/b.jpg"]
    assert locate_images(["./a.jpg"], files) == ["a.jpg"]


def test_else_the_one_file_that_ends_alike() -> None:
    files = {"x/day/1.jpg", "x/night/2.JPG", "x/2.txt", "y/day/3.png", "y/night/3.png"}
    names = ["/home/somebody/x/day/1.jpg", "2", "night/3.png", "3.png", "gone.jpg"]
    found = locate_images(names, files)
    assert found[:3] == ["x/day/1.jpg", "x/night/2.JPG", "y/night/3.png"]
    assert not set(found[3:]) & files  # two files end so, or none


def test_where_only_the_ending_differs_it_counts() -> None:
    files = {"x/a.jpg", "x/a.png"}
    assert locate_images(["a.png", "x/b.jpg"], files)[0] == "x/a.png"
    assert locate_images(["a"], files) == ["a"]


def test_the_prefix_of_an_upload_may_be_missing() -> None:
    assert locate_images(["0123abcd-cat.jpg"], {"deep/cat.jpg"}) == ["deep/cat.jpg"]
    assert locate_images(["0123abcd-cat.jpg"], {"deep/cat.jpg", "0123abcd-cat.jpg"}) == ["0123abcd-cat.jpg"]
    assert locate_images(["0123abc-cat.jpg"], {"deep/cat.jpg"}) != ["deep/cat.jpg"]


def test_sizes_are_zero_where_an_image_cannot_be_read(photographs: Path) -> None:
    (photographs / "x.jpg").write_bytes(b"no image")
    sizes = image_sizes(photographs, ["images/a.jpg", "x.jpg", "gone.jpg", ""])
    assert sizes.tolist() == [[160, 120], [0, 0], [0, 0], [0, 0]]
