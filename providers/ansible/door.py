"""The ProxyCommand of a contained play's ssh: asks the broker for a connection and hands it to ssh.

`python -I -S door.py SOCKET HOST PORT`, with `ProxyUseFdpass yes` (ssh_config(5)): ssh goes on
with the descriptor that it is given here, and this program ends. It runs inside the sandbox, once
for each connection; `socket` would take longer to import than all else that it does, so it takes `_socket`.
"""

import _socket
import sys

REFUSED = 1
STANDARD_OUTPUT = 1


def main(path: str, host: str, port: str) -> int:
    door = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    door.connect(path)
    door.sendall(f"{host} {port}\n".encode())
    # Byte by byte: what follows the line is ssh's already.
    answer = b""
    while not answer.endswith(b"\n") and (byte := door.recv(1)):
        answer += byte
    if answer != b"open\n":
        print(answer.decode(errors="replace").strip() or "the connection's broker is gone", file=sys.stderr)  # noqa: T201
        return REFUSED
    ssh = _socket.socket(fileno=STANDARD_OUTPUT)
    descriptor = door.fileno().to_bytes(4, sys.byteorder)
    ssh.sendmsg([b"\0"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, descriptor)])
    ssh.detach()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
