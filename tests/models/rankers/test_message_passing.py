import torch

from pipeline.models.rankers.message_passing import MessagePassing
from pipeline.models.rankers.neighbours import Neighbours


def test_missing_neighbours_send_nothing() -> None:
    passing, boxes = MessagePassing(4, 3), torch.randn(3, 4)
    there = torch.tensor([[True, True], [True, False], [False, False]])
    geometry = torch.randn(3, 2, 6)
    near = Neighbours(torch.tensor([[1, 2], [0, 1], [2, 2]]), there, geometry)
    received = passing(boxes, near)
    other = Neighbours(torch.tensor([[1, 2], [0, 0], [0, 1]]), there, geometry)
    assert torch.equal(passing(boxes, other), received)
    message = torch.relu(passing.sender(boxes[0]) + passing.receiver(boxes[1]) + passing.geometry(geometry[1, 0]))
    torch.testing.assert_close(received[1], torch.cat([message, message]))
    assert not received[2].any()


def test_messages_are_pooled_by_maximum_and_mean() -> None:
    torch.manual_seed(0)
    passing, boxes = MessagePassing(4, 3), torch.randn(4, 4)
    there = torch.tensor([[True, True, True, False]]).expand(4, -1)
    near = Neighbours(torch.tensor([[1, 2, 3, 0]]).expand(4, -1), there, torch.randn(4, 4, 6))
    said = [
        torch.relu(passing.sender(boxes[k + 1]) + passing.receiver(boxes[0]) + passing.geometry(near.geometry[0, k]))
        for k in range(3)
    ]
    wanted = torch.cat([torch.stack(said).amax(dim=0), sum(said) / 3])
    torch.testing.assert_close(passing(boxes, near)[0], wanted)
