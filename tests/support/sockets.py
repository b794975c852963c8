"""What the kernel knows of a connection on this machine, asked as ``ss`` does: sock_diag(7)."""

import errno
import os
import socket
import struct

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_REQUEST = 1
_ERROR = 2
_MESSAGE = struct.Struct("=IHHII")
"""nlmsghdr: length, type, flags, sequence, port."""
_ASKED = struct.Struct("=BBBxI")
"""inet_diag_req_v2 before its inet_diag_sockid: family, protocol, extensions, states."""
_ANY_COOKIE = b"\xff" * 8
_FAULT = struct.Struct("=i")
_RECEIVED = struct.Struct("=I")
_RECEIVED_AT = _MESSAGE.size + 56
"""idiag_rqueue of inet_diag_msg: behind four bytes, an inet_diag_sockid and a time."""


def unread(server: tuple[str, int], client: tuple[str, int]) -> int:
    """Bytes that have come to ``server`` from ``client``, and lie there; 0 without a connection.

    The addresses are of IPv4. ``/proc/net/tcp`` has it, too, among all connections that there
    were in the last minute, which takes thousands of times as long.
    """
    (here, port), (there, its_port) = server, client
    addresses = b"".join(socket.inet_aton(address).ljust(16, b"\0") for address in (here, there))
    wanted = struct.pack("!HH", port, its_port) + addresses + bytes(4) + _ANY_COOKIE
    asked = _ASKED.pack(socket.AF_INET, socket.IPPROTO_TCP, 0, 0xFFFFFFFF) + wanted
    length = _MESSAGE.size + len(asked)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_SOCK_DIAG) as kernel:
        kernel.send(_MESSAGE.pack(length, _SOCK_DIAG_BY_FAMILY, _REQUEST, 0, 0) + asked)
        answer = kernel.recv(8192)
    _, kind, *_ = _MESSAGE.unpack_from(answer)
    if kind == _ERROR:
        (error,) = _FAULT.unpack_from(answer, _MESSAGE.size)
        if error != -errno.ENOENT:
            raise OSError(-error, os.strerror(-error))
        return 0
    (received,) = _RECEIVED.unpack_from(answer, _RECEIVED_AT)
    return int(received)
