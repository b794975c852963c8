"""Small writes of many connections, made one right after the other.

A write wakes the process that waits at the other end. Made apart, with a request's work between
them, each of them pays for waking it, which can cost more than the work; made together, the
first does. What is written waits for the rest of the event loop's present round at the most.
"""

import asyncio


class WriteBatch:
    """The writes of the present round of the event loop."""

    def __init__(self) -> None:
        self._waiting: list[tuple[asyncio.WriteTransport, list[bytes]]] = []

    def write(
        self, loop: asyncio.AbstractEventLoop, transport: asyncio.WriteTransport, data: list[bytes]
    ) -> None:
        """Write ``data`` at the end of the round."""
        if not self._waiting:
            loop.call_soon(self.flush)
        self._waiting.append((transport, data))

    def flush(self) -> None:
        """Write now, as before closing one of the connections."""
        waiting, self._waiting = self._waiting, []
        for transport, data in waiting:
            if not transport.is_closing():
                transport.writelines(data)
