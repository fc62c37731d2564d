"""Asks a nursery for a program, passes signals on to it and ends as it does: `messenger.py SOCKET ARGUMENT...`."""

import json
import os
import signal
import socket
import sys


def ended() -> int:
    """Return the exit code of the program, below zero for a signal that killed it."""
    wanted = {"folder": os.getcwd(), "environment": dict(os.environ), "arguments": sys.argv[2:]}  # noqa: PTH109
    text = json.dumps(wanted).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(sys.argv[1])
        connection.sendall(len(text).to_bytes(4) + text)
        socket.send_fds(connection, [b"."], [0, 1, 2])
        pid = int.from_bytes(connection.recv(4, socket.MSG_WAITALL))
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda number, _: os.kill(pid, number))
        return int.from_bytes(connection.recv(4, socket.MSG_WAITALL), signed=True)


if __name__ == "__main__":
    code = ended()
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)
