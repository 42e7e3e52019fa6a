import torch

from pipeline.models.rankers.message_passing import Exchange
from pipeline.models.rankers.neighbours import Neighbours


def test_neighbours_that_are_not_there_say_nothing() -> None:
    exchange, boxes = Exchange(4, 3), torch.randn(3, 4)
    there = torch.tensor([[True, True], [True, False], [False, False]])
    geometry = torch.randn(3, 2, 6)
    near = Neighbours(torch.tensor([[1, 2], [0, 1], [2, 2]]), there, geometry)
    num_neighbours = exchange(boxes, near)
    other = Neighbours(torch.tensor([[1, 2], [0, 0], [0, 1]]), there, geometry)
    assert torch.equal(exchange(boxes, other), num_neighbours)
    message = torch.relu(exchange.said(boxes[0]) + exchange.num_neighbours(boxes[1]) + exchange.lies(geometry[1, 0]))
    torch.testing.assert_close(num_neighbours[1], torch.cat([message, message]))
    assert not num_neighbours[2].any()


def test_a_box_hears_the_maximum_and_the_mean_of_all_that_is_said() -> None:
    torch.manual_seed(0)
    exchange, boxes = Exchange(4, 3), torch.randn(4, 4)
    there = torch.tensor([[True, True, True, False]]).expand(4, -1)
    near = Neighbours(torch.tensor([[1, 2, 3, 0]]).expand(4, -1), there, torch.randn(4, 4, 6))
    said = [
        torch.relu(exchange.said(boxes[k + 1]) + exchange.num_neighbours(boxes[0]) + exchange.lies(near.geometry[0, k]))
        for k in range(3)
    ]
    wanted = torch.cat([torch.stack(said).amax(dim=0), sum(said) / 3])
    torch.testing.assert_close(exchange(boxes, near)[0], wanted)
