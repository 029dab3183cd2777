"""A small HTTP server that finds its sockets open, as sd_listen_fds(3) describes it.

Which ones they are it learns from three variables; nothing of systemd or of reeve is needed.
"""

import os
import select
import signal
import socket

FIRST = 3


def listeners():
    """The sockets that were passed to this process."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        raise SystemExit("nothing was passed: start this by a [socket.NAME]")
    count = int(os.environ["LISTEN_FDS"])
    return [socket.socket(fileno=number) for number in range(FIRST, FIRST + count)]


def answer(connection):
    connection.settimeout(5)
    with connection:
        try:
            connection.recv(4096)
            text = "Answered by %s of run %s\n" % (
                os.environ.get("REEVE_INSTANCE"), os.environ.get("REEVE_RUN"))
            connection.sendall(("HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n"
                                "Content-Length: %d\r\n\r\n%s" % (len(text), text)).encode())
        except OSError:
            pass  # the client has gone


def main():
    # A stop comes between two connections, never into one that was taken already.
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGTERM, lambda number, frame: None)

    sockets = listeners()
    for one in sockets:
        one.setblocking(False)  # another instance may have been quicker
    while True:
        ready, _, _ = select.select(sockets + [woken], [], [])
        if woken in ready:
            return
        for one in ready:
            try:
                connection, _ = one.accept()
            except BlockingIOError:
                continue
            answer(connection)


main()
