import torch

from pipeline.models.rankers.exchange import Exchange
from pipeline.models.rankers.neighbours import Neighbours


def test_neighbours_that_are_not_there_say_nothing() -> None:
    exchange, boxes = Exchange(4, 3), torch.randn(3, 4)
    there = torch.tensor([[True, True], [True, False], [False, False]])
    geometry = torch.randn(3, 2, 6)
    near = Neighbours(torch.tensor([[1, 2], [0, 1], [2, 2]]), there, geometry)
    heard = exchange(boxes, near)
    other = Neighbours(torch.tensor([[1, 2], [0, 0], [0, 1]]), there, geometry)
    assert torch.equal(exchange(boxes, other), heard)
    message = torch.relu(exchange.said(boxes[0]) + exchange.heard(boxes[1]) + exchange.lies(geometry[1, 0]))
    torch.testing.assert_close(heard[1], torch.cat([message, message]))
    assert not heard[2].any()
