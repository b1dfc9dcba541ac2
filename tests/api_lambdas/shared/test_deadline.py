"""One exchange over a connection of its own ends in time, and says whether the request may have been received."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from api_lambdas.shared.deadline import Unanswered, exchanged, new_connection
from local.processes import free_port

PATIENCE_SECONDS = 30.0


@contextmanager
def trickling(first: bytes) -> Iterator[int]:
    """A server that sends `first`, then a byte now and then for as long as somebody listens."""
    over = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65_536)
            try:
                connection.sendall(first)
                while not over.wait(0.02):
                    connection.sendall(b"1")
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        over.set()
        thread.join()


def asked(port: int, seconds: float) -> bytes:
    def exchange(connection: http.client.HTTPConnection) -> bytes:
        connection.request("GET", "/")
        return connection.getresponse().read()

    return exchanged(new_connection("http", "127.0.0.1", port, PATIENCE_SECONDS), seconds, exchange)


def test_where_nobody_listens_nothing_was_sent() -> None:
    with pytest.raises(Unanswered) as caught:
        asked(free_port(), PATIENCE_SECONDS)

    assert (caught.value.sent, caught.value.late) == (False, False)


@pytest.mark.parametrize(
    "first",
    [
        pytest.param(b"HTTP/1.0 200 OK\r\n", id="headers-without-end"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", id="body-of-a-length"),
        # cut by us it looks whole
        pytest.param(b"HTTP/1.0 200 OK\r\n\r\nabc", id="body-until-the-connection-ends"),
    ],
)
def test_what_trickles_in_is_cut_when_the_time_is_over(first: bytes) -> None:
    """Every byte would begin a socket's own time-out anew."""
    with trickling(first) as port, pytest.raises(Unanswered) as caught:
        asked(port, 0.3)

    assert (caught.value.sent, caught.value.late) == (True, True)


def test_a_connection_that_is_lost_is_not_late() -> None:
    def serve() -> None:
        listener.accept()[0].close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(Unanswered) as caught:
            asked(listener.getsockname()[1], PATIENCE_SECONDS)
        thread.join()

    assert (caught.value.sent, caught.value.late) == (True, False)
