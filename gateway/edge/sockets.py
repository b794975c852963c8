"""What the operating system knows of a client's connection that the event loop does not tell."""

import select
import socket
import struct

# tcpi_bytes_acked in struct tcp_info of linux/tcp.h.
_BYTES_ACKED = struct.Struct("=120xQ")
_NO_LINGER = struct.pack("ii", 1, 0)


def is_reset(connection: socket.socket) -> bool:
    """Whether the peer has reset the connection; nobody is told while reading is paused."""
    poll = select.poll()
    poll.register(connection.fileno(), 0)  # what is not asked for are errors and the end, always
    return bool(poll.poll(0))


def reset_at_end(connection: socket.socket) -> None:
    """Have the end of the connection be seen as no regular one, and leave nothing to be sent."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)


def bytes_taken(connection: socket.socket) -> int:
    """How many bytes the peer's machine has acknowledged since the connection began."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED.size)
    taken: int = _BYTES_ACKED.unpack(info)[0]
    return taken
