import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.decode_memory import Room
from pipeline.data.image_reader import ImageReader
from pipeline.data.images import encode_png
from pipeline.engine import object_reader
from pipeline.engine.fingerprint import hash_bytes
from pipeline.engine.manifest import stored_manifests
from pipeline.engine.object_reader import UnreachableError
from pipeline.engine.plan import context
from pipeline.engine.stage import Item, Resources, StageContext
from tests.engine.s3_proxy import proxy
from tests.stages.world import World, drawn_image


@pytest.fixture
def photos(world: World) -> tuple[World, Path]:
    """An index of six images, and a node that reads them."""
    folder = world.folder / "photos"
    folder.mkdir()
    for seed in range(6):
        (folder / f"{seed}.png").write_bytes(encode_png(drawn_image(seed)))
    world.node("images", "index", dataset="image_folder", path=str(folder))
    world.node("guesses", "guess", inputs={"samples": "images"})
    world.done(selected=frozenset({"images"}))
    return world, folder


def reading(world: World, cpus: float) -> StageContext:
    ctx = context(world.graph(), "guesses", world.plan(), {})
    return StageContext("guesses", None, Resources(cpus=cpus), ctx.inputs, ctx.dataset_paths)


def items(folder: Path) -> list[Item]:
    files = sorted(folder.iterdir())
    return [Item(file.name, hash_bytes(file.read_bytes()), {"path": file.name}) for file in files]


@pytest.mark.parametrize("cpus", [1, 2])
def test_images_come_in_order_whether_decoded_ahead_or_not(photos: tuple[World, Path], cpus: float) -> None:
    world, folder = photos
    ctx, wanted = reading(world, cpus), items(folder)
    read = list(ImageReader(ctx, ctx.one("samples")).ahead(wanted))
    assert [item for item, _, _ in read] == wanted
    for number, (_, image, error) in enumerate(read):
        assert error is None
        np.testing.assert_array_equal(image, drawn_image(number))


@pytest.mark.parametrize("cpus", [1, 2])
def test_what_is_wrong_with_an_image_is_its_error(photos: tuple[World, Path], cpus: float) -> None:
    world, folder = photos
    ctx = reading(world, cpus)
    (folder / "2.png").write_bytes(b"plain text")
    wanted = items(folder)
    (folder / "1.png").unlink()
    (folder / "4.png").write_bytes(encode_png(drawn_image(9)))
    errors = [error for _, _, error in ImageReader(ctx, ctx.one("samples")).ahead(wanted)]
    assert [error is None for error in errors] == [True, False, False, True, False, True]
    assert "No such file" in str(errors[1]) and "not an image" in str(errors[2])
    assert "4.png has changed since it was indexed" in str(errors[4])


@pytest.mark.timeout(60)
@pytest.mark.parametrize("cpus", [1, 2])
def test_a_fifo_is_an_error_at_the_index_and_where_it_takes_an_images_place(world: World, cpus: float) -> None:
    folder = world.folder / "photos"
    folder.mkdir()
    for seed in range(4):
        (folder / f"{seed}.png").write_bytes(encode_png(drawn_image(seed)))
    wanted = items(folder)
    os.mkfifo(folder / "pipe.jpg")
    world.node("images", "index", dataset="image_folder", path=str(folder))
    world.node("guesses", "guess", inputs={"samples": "images"})
    world.done(selected=frozenset({"images"}))
    (indexed,) = stored_manifests(world.store, "images")
    assert (indexed.rows, indexed.errors) == (5, (("pipe.jpg", "not a regular file but a FIFO"),))
    ctx = reading(world, cpus)
    (folder / "2.png").unlink()
    os.mkfifo(folder / "2.png")
    read = list(ImageReader(ctx, ctx.one("samples")).ahead([*wanted, Item("pipe.jpg", "", {"path": "pipe.jpg"})]))
    assert [error for _, _, error in read] == [
        None, None, "NotAFileError: not a regular file but a FIFO", None,
        "ValueError: pipe.jpg could not be read when it was indexed; run again with --retry-errors",
    ]  # fmt: skip


def test_trouble_of_the_machine_is_raised(photos: tuple[World, Path]) -> None:
    world, folder = photos
    ctx, wanted = reading(world, 1), items(folder)
    (folder / "3.png").unlink()
    (folder / "3.png").symlink_to("3.png")
    with pytest.raises(OSError, match="symbolic links"):
        list(ImageReader(ctx, ctx.one("samples")).ahead(wanted))


def test_the_content_hash_may_be_in_another_field(photos: tuple[World, Path]) -> None:
    world, folder = photos
    ctx = reading(world, 1)
    moved = [Item(item.key, "other", {**item.data, "content_hash": item.version}) for item in items(folder)]
    images = ImageReader(ctx, ctx.one("samples")).ahead(moved)
    assert [error for _, _, error in images] == [None] * 6


def test_compressed_bytes_are_read_by_path_after_pickling(photos: tuple[World, Path]) -> None:
    """Training reads in worker processes."""
    world, folder = photos
    ctx = reading(world, 1)
    read = pickle.loads(pickle.dumps(ImageReader(ctx, ctx.one("samples")).read))
    assert read("3.png") == (folder / "3.png").read_bytes()
    with pytest.raises(FileNotFoundError):
        read("9.png")


@pytest.mark.parametrize("cpus", [1, 2])
def test_images_of_a_store_are_fetched_ahead_and_once_each(
    photos: tuple[World, Path], stored: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch, cpus: float
) -> None:
    world, folder = photos
    world.node("images", "index", dataset="image_folder", path=stored(folder))
    world.done(selected=frozenset({"images"}))
    (folder / "3.png").write_bytes(encode_png(drawn_image(9)))
    wanted, ctx = items(folder), reading(world, cpus)
    stored(folder)
    with proxy(os.environ["AWS_ENDPOINT_URL"], 0.05) as requests:
        monkeypatch.setenv("AWS_ENDPOINT_URL", requests.url)
        reader = pickle.loads(pickle.dumps(ImageReader(ctx, ctx.one("samples"))))
        read = list(reader.ahead([*wanted, Item("none", "0" * 32, {"path": "none.png"})]))
        assert requests.at_once >= 5
        assert len(requests.taken()) == 7
    assert [item for item, _, _ in read[:6]] == wanted
    for number, (_, image, error) in enumerate(read[:6]):
        assert error is None
        np.testing.assert_array_equal(image, drawn_image(9 if number == 3 else number))
    assert read[6][2] is not None and "no such object" in read[6][2]


def test_an_object_that_memory_cannot_hold_is_not_fetched(
    photos: tuple[World, Path], stored: Callable[[Path], str]
) -> None:
    world, folder = photos
    world.node("images", "index", dataset="image_folder", path=stored(folder))
    world.done(selected=frozenset({"images"}))
    ctx = reading(world, 1)
    size = (folder / "0.png").stat().st_size
    reader = ImageReader(ctx, ctx.one("samples"), Room(size - 1, "memory_budget_gb of 0"))
    (_, image, error), *_ = reader.ahead(items(folder)[:1])
    assert image is None
    assert error == f"NotAFileError: an object of {size} bytes, and none of more than {size - 1} is read"


def test_a_store_that_is_down_is_raised_and_no_error_of_an_image(
    photos: tuple[World, Path], stored: Callable[[Path], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, folder = photos
    world.node("images", "index", dataset="image_folder", path=stored(folder))
    world.done(selected=frozenset({"images"}))
    ctx = reading(world, 1)
    monkeypatch.setattr(object_reader, "RETRIES", 1)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(UnreachableError, match="the store does not answer"):
        list(ImageReader(ctx, ctx.one("samples")).ahead(items(folder)))
