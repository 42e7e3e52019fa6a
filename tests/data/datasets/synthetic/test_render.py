"""Drawing one head: its surroundings stay, and every trait shows."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.data.datasets.synthetic.appearance import sample_appearance
from pipeline.data.datasets.synthetic.render import draw_face

HEAD = sample_appearance(np.random.default_rng(0))


@pytest.mark.parametrize("unit", [4.0, 9.0, 60.0])
def test_background_away_from_the_head_is_untouched(unit: float) -> None:
    background = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)
    image = background.copy()
    draw_face(image, replace(HEAD, roll=0.0), (200.3, 150.6), unit)
    changed = np.argwhere((image != background).any(axis=-1))
    assert len(changed) > 2 * unit**2
    low, high = changed.min(axis=0), changed.max(axis=0)
    assert (low >= np.array([150.6, 200.3]) - 2 * unit - 1).all()
    assert (high <= np.array([150.6, 200.3]) + 3 * unit + 1).all()


def test_a_face_at_the_border_is_cut() -> None:
    image = np.zeros((60, 60, 3), np.uint8)
    draw_face(image, HEAD, (2.0, 58.0), 20.0)
    assert image[45:, :15].any() and not image[:20].any()


@pytest.mark.parametrize(
    "change",
    [
        *({"style": style} for style in ("short", "long", "curly", "bald", "hat", "scarf")),
        *({"glasses": glasses} for glasses in ("clear", "dark")),
        *({"cover": cover} for cover in ("mask", "object")),
        {"beard": 0.9},
        {"opening": 0.9},
        {"turn": -0.9},
        {"squint": 0.2},
    ],
)
def test_each_trait_shows(change: dict[str, object]) -> None:
    plain = replace(HEAD, style="short", glasses="none", cover="none", beard=0.0, opening=0.0, turn=0.5, squint=1.0)
    other = replace(plain, **change)  # type: ignore[arg-type]
    images = [np.full((160, 160, 3), 128, np.uint8) for _ in range(2)]
    for image, head in zip(images, (plain, other), strict=True):
        draw_face(image, head, (80, 70), 40)
    assert (images[0] != images[1]).any() == (other != plain)
