"""Connections that are misused: over TCP to the SIP port, and to the HTTP port."""

from __future__ import annotations

import contextlib
import random
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clutch.wire.sip.message import Response, parse_message
from tests.e2e.processes import clean, footprint, until, wait_for_footprint
from tests.e2e.raw_sip import PATIENCE_S, draft, invite
from tests.e2e.test_bad_sip import MALFORMED, REFUSALS
from tests.interop.node import RunningNode, running_node

IDLE_S = 1.0
MOST = 200
PING = b"\r\n\r\n"
IMPATIENT = (
    sys.executable,
    "-c",
    "import clutch.net.sip.transports as transports, hypercorn.config\n"
    f"transports.FIRST_S = transports.IDLE_S = {IDLE_S}\n"
    f"transports.MAX_CONNECTIONS = {MOST}\n"
    f"hypercorn.config.Config.keep_alive_timeout = {IDLE_S}\n"
    "from clutch.cli.main import main\n"
    "main(prog_name='clutch')",
    "run",
)
"""The command, with less patience for idle connections than minutes, and less room than for 1000 of SIP."""


@pytest.fixture(scope="module")
def shared_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """One node for all tests here."""
    with running_node(tmp_path_factory.mktemp("node") / "data", command=IMPATIENT) as running:
        yield running
        assert running.stop() == 0, running.log()
        assert clean(running), running.log()


@pytest.fixture
def node(shared_node: RunningNode) -> Iterator[RunningNode]:
    """The node; after the test it holds no more than before."""
    before = footprint(shared_node)
    yield shared_node
    wait_for_footprint(shared_node, before)


def connect(node: RunningNode) -> socket.socket:
    """A connection to the SIP port."""
    return socket.create_connection(("127.0.0.1", node.sip_port), PATIENCE_S)


def rest(connection: socket.socket) -> bytes:
    """All that comes until the node closes the connection."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while more := connection.recv(65_536):
            data += more
    return data


def answers(data: bytes) -> list[int]:
    """The statuses of responses without a body."""
    found = [parse_message(part + b"\r\n\r\n") for part in data.split(b"\r\n\r\n") if part]
    return [message.status for message in found if isinstance(message, Response)]


def over_tcp(request: bytes) -> bytes:
    """The request, saying that it comes by TCP."""
    return request.replace(b"SIP/2.0/UDP", b"SIP/2.0/TCP")


UNFRAMED = {
    "no_content_length": (over_tcp(draft("OPTIONS", Content_Length=None)), 400),
    "content_length_of_words": (over_tcp(draft("OPTIONS", Content_Length="many")), 400),
    "content_length_beyond_all_bounds": (over_tcp(draft("OPTIONS", Content_Length="99999")), 513),
    "header_beyond_all_bounds": (over_tcp(draft("OPTIONS", Subject="x" * 70_000)), 513),
}


@pytest.mark.parametrize("name", UNFRAMED)
def test_a_stream_that_has_lost_its_frame_is_answered_and_closed(node: RunningNode, name: str) -> None:
    request, status = UNFRAMED[name]
    with connect(node) as connection:
        connection.sendall(request)
        assert answers(rest(connection)) == [status]


def test_a_header_without_an_end_is_cut_off(node: RunningNode) -> None:
    with connect(node) as connection:
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                connection.sendall(b"x" * 1000)
        assert rest(connection) == b""


def test_a_broken_message_in_its_frame_costs_only_itself(node: RunningNode) -> None:
    with connect(node) as connection:
        connection.sendall(over_tcp(draft("OPTIONS", CSeq=None) + draft("REGISTER") + draft("OPTIONS")))
        connection.shutdown(socket.SHUT_WR)
        assert answers(rest(connection)) == [400, 405, 200]


def test_what_is_answered_to_a_datagram_is_answered_on_a_stream(node: RunningNode) -> None:
    framed = {name: data for name, data in MALFORMED.items() if not name.startswith("content_length")}
    expected = sorted([400] * len(framed) + [status for _, status, _, _ in REFUSALS.values()])
    seen: list[int] = []
    with connect(node) as connection, connection.makefile("rb") as stream:
        for request in (*framed.values(), *(request for request, *_ in REFUSALS.values())):
            connection.sendall(over_tcp(request))
        while len(seen) < len(expected):
            line = stream.readline()
            assert line, seen
            if line.startswith(b"SIP/2.0 ") and not line.startswith(b"SIP/2.0 1"):
                seen.append(int(line.split()[1]))
    assert sorted(seen) == expected


@pytest.mark.parametrize("part", [1, 40, -1])
def test_half_a_message_and_a_goodbye(node: RunningNode, part: int) -> None:
    with connect(node) as connection:
        connection.sendall(over_tcp(invite())[:part])
        connection.shutdown(socket.SHUT_WR)
        assert rest(connection) == b""


def test_a_reset_in_mid_message(node: RunningNode) -> None:
    connection = connect(node)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.sendall(over_tcp(invite())[:100])
    connection.close()


def test_an_answer_still_reaches_who_has_finished_sending(node: RunningNode) -> None:
    with connect(node) as connection:
        connection.sendall(over_tcp(invite("nobody")))
        connection.shutdown(socket.SHUT_WR)
        assert 404 in answers(rest(connection))


@pytest.mark.parametrize("piece", [b"I", b"\r\n", b"Subject: more\r\n"])
def test_a_dribble_is_no_sign_of_life(node: RunningNode, piece: bytes) -> None:
    """Bytes come and come, and no message ends: the connection does."""
    with connect(node) as connection:
        connection.sendall(b"INVITE sip:echo@127.0.0.1 SIP/2.0\r\n")
        connection.settimeout(0.05)
        closed = False

        def is_closed() -> bool:
            nonlocal closed
            try:
                connection.sendall(piece)
                closed = closed or connection.recv(1) == b""
            except TimeoutError:
                pass
            except ConnectionError:
                closed = True
            return closed

        until(is_closed, "the dribble is cut off")


def crowd(node: RunningNode, stack: contextlib.ExitStack, number: int) -> list[socket.socket]:
    """So many connections, all open at once."""
    held: list[socket.socket] = []

    def are_all_there() -> bool:
        for connection in held:
            connection.sendall(PING)
        return bool(node.status()["sip"]["connections"] == len(held))

    while len(held) < number:  # in handfuls: the kernel's queue of new ones is short
        held += [stack.enter_context(connect(node)) for _ in range(50)]
        until(are_all_there, f"{len(held)} connections are open")
    return held


def test_idle_connections_are_closed(node: RunningNode) -> None:
    with contextlib.ExitStack() as stack:
        pongs = {rest(connection).strip(PING) for connection in crowd(node, stack, 200)}
        assert pongs == {b""}
        until(lambda: node.status()["sip"]["connections"] == 0, "none is left")


def test_no_more_connections_than_there_is_room_for(node: RunningNode) -> None:
    with contextlib.ExitStack() as stack:
        held = crowd(node, stack, MOST)
        with connect(node) as one_more:
            assert rest(one_more) == b""
        held[-1].sendall(over_tcp(draft("OPTIONS")))
        until(lambda: b"SIP/2.0 200" in held[-1].recv(65_536), "who is inside is served")


def test_noise_on_a_stream(node: RunningNode) -> None:
    rng = random.Random(4475)
    for _ in range(100):
        with connect(node) as connection, contextlib.suppress(ConnectionError):
            connection.sendall(rng.randbytes(rng.randrange(1, 3000)) + b"\r\n\r\n")
            connection.shutdown(socket.SHUT_WR)
            rest(connection)


NONSENSE = {
    "tls": (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400),
    "a_header_of_nothing": (b"GET /v1/status HTTP/1.1\r\n: \r\n\r\n", 400),
    "too_much": (b"GET " + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n", 431),
    "nowhere": (b"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
    "not_to_be_posted": (b"POST /v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405),
}


@pytest.mark.parametrize("name", NONSENSE)
def test_the_http_port_answers_nonsense_too(node: RunningNode, name: str) -> None:
    data, status = NONSENSE[name]
    with socket.create_connection(("127.0.0.1", node.http_port), PATIENCE_S) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(data)
        assert rest(connection).startswith(b"HTTP/1.1 %d " % status)


def test_nonsense_behind_a_request_costs_only_its_connection(node: RunningNode) -> None:
    """What once brought the whole HTTP service down, and its port with it."""
    request = b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"
    for data in [
        request + b"\r\n\r\n",
        request * 2 + b"\0",
        b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n!",
    ]:
        for _ in range(10):
            with socket.create_connection(("127.0.0.1", node.http_port), PATIENCE_S) as connection:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                rest(connection)
    assert node.status()["calls"] == 0


def test_http_connections_that_say_nothing_are_closed_with_the_node(tmp_path: Path) -> None:
    with running_node(tmp_path / "data") as node, contextlib.ExitStack() as stack:
        for _ in range(50):
            stack.enter_context(socket.create_connection(("127.0.0.1", node.http_port), PATIENCE_S))
        assert node.status()["calls"] == 0
        assert node.stop() == 0
        assert clean(node), node.log()


def test_an_http_client_that_does_not_read_does_not_hold_the_node_up(tmp_path: Path) -> None:
    with running_node(tmp_path / "data") as node, socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        deaf.connect(("127.0.0.1", node.http_port))
        deaf.settimeout(1)
        with pytest.raises(TimeoutError):  # the node reads no more, for it cannot write any more
            deaf.sendall(b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n" * 300_000)
        assert node.stop() == 0
        assert clean(node), node.log()
