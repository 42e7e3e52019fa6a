"""A server of the loopback that runs in a thread for the length of a block."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import HTTPServer
from typing import TypeVar

Server = TypeVar("Server", bound=HTTPServer)


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """Yields the server while it answers, and closes it afterwards."""
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)  # sees its end within 20 ms
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
