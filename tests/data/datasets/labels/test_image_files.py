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


def test_a_path_of_another_machine_is_the_file_with_most_folders_in_common() -> None:
    files = {"train/1.jpg", "val/1.jpg", "val/2.jpg", "3.jpg", "x/4.jpg", "y/4.jpg"}
    names = ["/home/me/train/1.jpg", "C:/set/val/1.jpg", "https:/bucket/a/3.jpg", "/a/4.jpg", "other/2.jpg"]
    assert locate_images(names, files, "")[:3] == ["train/1.jpg", "val/1.jpg", "3.jpg"]
    assert not set(locate_images(names, files)[3:]) & files  # two are as near; a relative path is taken as it is
    assert locate_images(["/a/2.jpg", "/b/2.jpg"], files) == ["/a/2.jpg", "/b/2.jpg"]  # one of them is not there
    assert locate_images(["/a/val/2.jpg", "/b/2.jpg"], files) == ["val/2.jpg", "/b/2.jpg"]


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
