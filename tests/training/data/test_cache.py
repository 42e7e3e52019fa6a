from __future__ import annotations

import pickle

import numpy as np

from pipeline.training.data.cache import SampleCache

IMAGE = np.zeros((10, 10, 3), np.uint8)


class Decoder:
    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return IMAGE


def test_an_image_is_decoded_once_while_there_is_room():
    kept, decode = SampleCache(IMAGE.nbytes * 2), Decoder()
    for _ in range(3):
        for index in (7, 8):
            assert kept.get(index, decode) is IMAGE
    assert decode.calls == 2


def test_what_has_no_room_is_decoded_every_time_and_what_was_first_stays():
    kept, first, second = SampleCache(IMAGE.nbytes), Decoder(), Decoder()
    for _ in range(3):
        kept.get(0, first)
        kept.get(1, second)
    assert (first.calls, second.calls) == (1, 3)


def test_pixels_do_not_travel_and_room_does():
    kept, decode = SampleCache(IMAGE.nbytes), Decoder()
    kept.get(0, decode)
    assert len(pickle.dumps(kept)) < IMAGE.nbytes
    again = pickle.loads(pickle.dumps(kept))
    for _ in range(2):
        again.get(0, decode)
    assert decode.calls == 2
