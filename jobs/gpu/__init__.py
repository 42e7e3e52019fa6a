"""The parts of a GPU day: each a function that runs in a process of its own and writes figures as it has them."""
