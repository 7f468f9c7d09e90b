"""A server that refuses some requests gets fewer at once, and all that was asked for comes."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pygobbler as pyg
import pytest
import selenite

FILES = {f"f{number}": b"x" * 100 + b"%d" % number for number in range(40)}
Answer = Callable[["Handler", bytes], None]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a head and its body are sent apart

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (("Content-Length", str(len(body))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        server: Any = self.server
        if self.path.startswith("/list"):
            self.answer(200, json.dumps([*FILES, "..manifest", "..summary"]).encode())
            return
        name = self.path.rsplit("/", 1)[1]
        if name == "..manifest":
            manifest = {
                name: {"size": len(content), "md5sum": hashlib.md5(content).hexdigest()}
                for name, content in FILES.items()
            }
            self.answer(200, json.dumps(manifest).encode())
        elif name == "..summary":
            self.answer(200, b"{}")
        else:
            server.send(self, FILES[name])


class Server(http.server.ThreadingHTTPServer):
    # What does not fit is dropped without a word, and waited for.
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        pass


@contextmanager
def serving(send: Answer) -> Iterator[str]:
    server: Any = Server(("127.0.0.1", 0), Handler)
    server.send = send
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def fetch(url: str, cache: Path) -> None:
    folder = pyg.fetch_directory("p/a/v", "/none", url, cache=str(cache), force_remote=True)
    found = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    assert {name: found[name] for name in FILES} == FILES


def busy(handler: Handler, _: bytes) -> None:
    handler.answer(503, b"too many connections")


def slow_down(handler: Handler, _: bytes) -> None:
    handler.answer(403, b"<Error><Code>SlowDown</Code></Error>")


def hang_up(handler: Handler, _: bytes) -> None:
    handler.close_connection = True


def few_at_once(refuse: Answer, refused: list[float]) -> Answer:
    """Serve three at once, and refuse the others."""
    places = threading.Semaphore(3)

    def send(handler: Handler, content: bytes) -> None:
        if not places.acquire(blocking=False):
            refused.append(time.monotonic())
            refuse(handler, content)
            return
        time.sleep(0.01)
        places.release()
        handler.answer(200, content)

    return send


@pytest.mark.parametrize(("refuse", "retries"), [(busy, "1"), (slow_down, "0"), (hang_up, "0")])
def test_a_limit_of_connections_ends_no_download(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, refuse: Answer, retries: str
) -> None:
    monkeypatch.setenv("SELENITE_RETRIES", retries)
    refused: list[float] = []
    with serving(few_at_once(refuse, refused)) as url:
        fetch(url, tmp_path)
    assert 0 < len(refused) < 60


def test_a_limit_of_rate_ends_no_download(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SELENITE_RETRIES", "1")
    lock = threading.Lock()
    served, ends = 0, 0.0
    refused: list[float] = []

    def send(handler: Handler, content: bytes) -> None:
        nonlocal served, ends
        with lock:
            now = time.monotonic()
            # The next one after twenty begins a pause, however long they took.
            if served == 20 and not refused:
                ends = now + 0.3
            is_refused = now < ends
            if is_refused:
                refused.append(now)
            else:
                served += 1
        if is_refused:
            handler.answer(429, b"slow down", ("Retry-After", "0.3"))
        else:
            handler.answer(200, content)

    with serving(send) as url:
        fetch(url, tmp_path)
    assert 0 < len(refused) < 60


def test_threads_share_what_a_server_takes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SELENITE_RETRIES", "2")
    refused: list[float] = []
    with serving(few_at_once(busy, refused)) as url:
        threads = [
            threading.Thread(target=fetch, args=(url, tmp_path / str(number)))
            for number in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for number in range(2):
            assert (tmp_path / str(number)).is_dir()
    assert len(refused) < 120


def test_a_server_that_refuses_everything_is_left_soon(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SELENITE_RETRIES", "2")
    refused: list[float] = []

    def send(handler: Handler, content: bytes) -> None:
        refused.append(time.monotonic())
        busy(handler, content)

    with serving(send) as url, pytest.raises(OSError, match="too many connections"):
        fetch(url, tmp_path)
    assert len(refused) < 60


def test_a_long_pause_is_told_and_not_waited_for(tmp_path: Path) -> None:
    def send(handler: Handler, content: bytes) -> None:
        handler.answer(429, b"enough for today", ("Retry-After", "3600"))

    with serving(send) as url, pytest.raises(OSError, match="asks for a pause of 3600 s"):
        fetch(url, tmp_path)


def test_an_exception_of_the_callback_ends_a_pause(tmp_path: Path) -> None:
    paused = threading.Event()

    def send(handler: Handler, content: bytes) -> None:
        handler.answer(429, b"later", ("Retry-After", "50"))
        paused.set()

    def stop(event: selenite.ProgressEvent) -> None:
        if event.files_total > 0:
            paused.wait(10)
            raise RuntimeError("enough")

    begin = time.monotonic()
    with (
        serving(send) as url,
        pytest.raises(RuntimeError, match="enough"),
        selenite.progress(stop),
    ):
        fetch(url, tmp_path)
    assert time.monotonic() - begin < 40
