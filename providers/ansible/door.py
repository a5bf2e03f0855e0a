"""The ProxyCommand of a contained play's ssh: asks the broker for a connection and hands it to ssh.

`python -I -S door.py SOCKET HOST PORT`, with `ProxyUseFdpass yes` (ssh_config(5)): ssh
goes on with the descriptor that it is given here, and this program ends. It runs
inside the sandbox, once for each connection, so it imports next to nothing.
"""

import socket
import sys

REFUSED = 1


def main(path: str, host: str, port: str) -> int:
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    door.connect(path)
    door.sendall(f"{host} {port}\n".encode())
    # Byte by byte: what follows the line is ssh's already.
    answer = b""
    while not answer.endswith(b"\n") and (byte := door.recv(1)):
        answer += byte
    if answer != b"open\n":
        print(answer.decode(errors="replace").strip() or "the connection's broker is gone", file=sys.stderr)  # noqa: T201
        return REFUSED
    with socket.socket(fileno=sys.stdout.fileno()) as ssh:
        socket.send_fds(ssh, [b"\0"], [door.fileno()])
        ssh.detach()
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
