"""Headless Chromium and a local server, for the tests that look at the built site as a reader would."""

import contextlib
import functools
import http.server
import os
import shutil
import threading

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, [os.environ.get("CHROMIUM"), *map(shutil.which, NAMES)]), None)
# The local server is the only host that resolves, so that a request to another fails on every machine alike.
ARGUMENTS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split() + ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]


def need_chromium():
    """Skip the test where there is no Chromium, and say how to get it; on a CI machine fail."""
    if CHROMIUM is None:
        reason = "no Chromium found: apt-get install chromium, or set CHROMIUM to the path of one"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@contextlib.contextmanager
def served(folder):
    """The address at which a local server serves a folder."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
