"""The stand-in itself: an HTTP server on loopback that answers as a script says and remembers what it was asked."""

from __future__ import annotations

import json
import re
import select
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

from standin.asked import Json, Request
from standin.model import Script, ScriptError, answer_to, script_model
from standin.replies import Cut, CutPoint, Failure, Hang, Held, Message, Reply
from standin.wire import error_object, events_until, message_events, message_object

# How late the end of a pause is noticed.
POLL_S = 0.02


@dataclass
class Exchange:
    """A request, what was replied, and when that was over (monotonic seconds; None while it goes on)."""

    request: Request
    reply: Reply | None = None
    ended_s: float | None = None
    is_abandoned: bool = False  # the client went away, or the stand-in closed, before the end


class Standin:
    """A Messages API on 127.0.0.1, to be used in a `with` statement.

    The script is a list of rules, one behaviour for every request, or a function from request to behaviour.
    A request for which the script has nothing gets a final HTTP 400, and is named in `complaints`.
    """

    def __init__(self, script: Script, *, port: int = 0) -> None:
        self.complaints: list[str] = []
        self.exchanges: list[Exchange] = []
        self._behaviour = script_model(script)
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._server = _Server(self, port)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(POLL_S,), daemon=True)

    def __enter__(self) -> Standin:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.close_connections()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """The value for ANTHROPIC_BASE_URL."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def requests(self) -> list[Request]:
        """The requests for a reply of the model, in the order of their arrival."""
        return [exchange.request for exchange in self._messages()]

    def asked(self, pattern: str) -> list[Request]:
        """Those of `requests` whose prompt contains a match of `pattern`."""
        return [request for request in self.requests if re.search(pattern, request.prompt, re.DOTALL)]

    def most_at_once(self, pattern: str = "") -> int:
        """The greatest number of requests with such a prompt that were being answered at one time."""
        steps = []
        for exchange in self._messages():
            if re.search(pattern, exchange.request.prompt, re.DOTALL):
                steps.append((exchange.request.arrived_s, 1))
                steps.append((exchange.ended_s or float("inf"), -1))
        now, most = 0, 0
        for _, step in sorted(steps):
            now += step
            most = max(most, now)
        return most

    def wait_for(self, pattern: str = "", *, count: int = 1, timeout_s: float = 15.0) -> list[Request]:
        """The requests with such a prompt, as soon as there are `count` of them; raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.asked(pattern)) >= count, timeout_s):
                seen = [request.prompt[:80] for request in self.requests]
                raise TimeoutError(f"no {count} requests for {pattern!r} in {timeout_s} s; there were {seen}")
        return self.asked(pattern)

    def _messages(self) -> list[Exchange]:
        return [exchange for exchange in list(self.exchanges) if exchange.request.is_message]

    def begin(self, handler: _Handler, raw: bytes) -> tuple[int, Exchange]:
        """Record the arrival of a request; the number of the exchange, from 1."""
        with self._changed:
            in_flight = 1 + sum(exchange.ended_s is None for exchange in self.exchanges)
            headers = {name.lower(): value for name, value in handler.headers.items()}
            request = Request(handler.command, handler.path, headers, raw, time.monotonic(), in_flight)
            exchange = Exchange(request)
            self.exchanges.append(exchange)
            number = len(self.exchanges)
            self._changed.notify_all()
        return number, exchange

    def end(self, exchange: Exchange) -> None:
        """Record that a request is answered, or cannot be any more."""
        with self._changed:
            exchange.ended_s = time.monotonic()
            self._changed.notify_all()

    def choose_reply(self, request: Request) -> Reply:
        """What the script says; a final error, and a complaint, where it says nothing or breaks."""
        try:
            return answer_to(request, self._behaviour)
        except Exception as error:  # noqa: BLE001 - the script is a test's code: whatever is wrong is told to the test
            complaint = str(error) if isinstance(error, ScriptError) else repr(error)
            self.complaints.append(complaint)
            return Failure(400, "invalid_request_error", f"stand-in: {complaint}", {"x-should-retry": "false"})

    @property
    def is_closing(self) -> bool:
        """Is the `with` block over?"""
        return self._closing.is_set()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, standin: Standin, port: int) -> None:
        self.standin = standin
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        if isinstance(request, socket.socket):
            with self._lock:
                self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        if isinstance(request, socket.socket):
            with self._lock:
                self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no error of the stand-in: `_Handler` has noted it."""

    def close_connections(self) -> None:
        """End the kept-alive connections, and with them the threads that wait on them."""
        with self._lock:
            for connection in self._open:
                with suppress(OSError):  # the client was faster
                    connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: tests read `Standin.exchanges`."""

    def do_HEAD(self) -> None:
        self._exchange()

    def do_GET(self) -> None:
        self._exchange()

    def do_POST(self) -> None:
        self._exchange()

    def _exchange(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        number, exchange = self.server.standin.begin(self, raw)
        try:
            self._answer(number, exchange)
        except OSError:
            exchange.is_abandoned = True
            self.close_connection = True
        finally:
            self.server.standin.end(exchange)

    def _answer(self, number: int, exchange: Exchange) -> None:
        request = exchange.request
        if request.is_message:
            reply = self.server.standin.choose_reply(request)
            exchange.reply = reply
            self._send_reply(reply, number, request)
        elif request.path.split("?")[0] == "/v1/messages/count_tokens":
            self._send_json(200, {"input_tokens": len(request.raw) // 4})
        elif request.method == "HEAD":
            self._send_json(200, {})
        else:
            self._send_json(404, error_object(Failure(404, "not_found_error", f"no {request.path} here")))

    def _send_reply(self, reply: Reply, number: int, request: Request) -> None:
        match reply:
            case Held(kept_back, until):
                self._pause(float("inf"), until.is_set)
                self._send_reply(kept_back, number, request)
            case Hang(seconds):
                self._pause(seconds)
                self.close_connection = True
            case Failure(status):
                self._send_json(status, error_object(reply), reply.headers)
            case Cut(message, point, is_abrupt):
                self.close_connection = True
                if not request.is_streamed:
                    self._send_half(message_object(message, request.model, number))
                elif point is not CutPoint.NOTHING:
                    self._send_events(events_until(message, point, request.model, number), is_whole=not is_abrupt)
            case Message():
                if request.is_streamed:
                    events = list(message_events(reply, request.model, number))
                    self._send_events(events, pause_s=reply.over_s / len(events))
                else:
                    self._pause(reply.over_s)
                    self._send_json(200, message_object(reply, request.model, number))

    def _send_json(self, status: int, body: Mapping[str, Json], headers: Mapping[str, str] | None = None) -> None:
        data = json.dumps(body).encode() if self.command != "HEAD" else b""
        self.send_response(status)
        for name, value in {"content-type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _send_half(self, body: Mapping[str, Json]) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2])

    def _send_events(self, events: Sequence[bytes], *, pause_s: float = 0.0, is_whole: bool = True) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for event in events:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
            self._pause(pause_s)
        if is_whole:
            self.wfile.write(b"0\r\n\r\n")

    def _pause(self, seconds: float, is_over: Callable[[], bool] = lambda: False) -> None:
        """Wait until the time is up or `is_over`.

        Raises ConnectionAbortedError as soon as the client has gone away or the stand-in closes.
        """
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not is_over():
            readable, _, _ = select.select([self.connection], [], [], min(POLL_S, left))
            is_gone = bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)
            if is_gone or self.server.standin.is_closing:
                raise ConnectionAbortedError
