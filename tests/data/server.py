"""A folder behind http on this machine, with a count of what was asked for."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Server(ThreadingHTTPServer):
    """Serves whole files. ``gets`` counts by path; the first ``num_failures`` answers break off in the middle."""

    def __init__(self, folder: Path, delay_s: float, num_failures: int):
        super().__init__(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
        self.gets: Counter[str] = Counter()
        self.delay_s = delay_s
        self.num_failures = num_failures

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


class _Handler(SimpleHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.gets[self.path.lstrip("/")] += 1
        time.sleep(self.server.delay_s)
        if self.server.num_failures:
            self.server.num_failures -= 1
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            self.wfile.write(b"cut")
        else:
            super().do_GET()

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def serving(folder: Path, delay_s: float = 0.0, num_failures: int = 0) -> Iterator[Server]:
    server = Server(folder, delay_s, num_failures)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
