"""A real W&B-compatible server on loopback, started from a program that is installed apart, and a door before it."""

import base64
import http.client
import json
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

VARIABLE = "VITRUVIAN_OPENWANDB"
HOW = (
    f"{VARIABLE} names no program; install it apart, never beside the project: python3 -m venv ~/openwandb && "
    f"~/openwandb/bin/pip install openwandb, then {VARIABLE}=~/openwandb/bin/openwandb python -m pytest -m slow"
)
KEY = "local" + "0" * 40  # openwandb takes any key, as any key is the administrator's
PROJECT = "vitruvian"
STARTS_IN = 60  # seconds
wanted = pytest.mark.skipif(not os.environ.get(VARIABLE), reason=HOW)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class OpenWandb:
    """The server: started, stopped, killed and started again at the same address with what it had."""

    def __init__(self, folder):
        self.folder, self.port, self.process = folder, free_port(), None
        self.url = f"http://127.0.0.1:{self.port}"
        folder.mkdir()
        self.start()

    def start(self):
        program = os.environ[VARIABLE]
        command = [program, "serve", "--host", "127.0.0.1", "--port", str(self.port), "--data-dir", self.folder]
        with (self.folder / "server.txt").open("ab") as log:
            self.process = subprocess.Popen(
                command, env={**os.environ, "HOME": str(self.folder)}, stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + STARTS_IN
        while not self.answers():
            assert self.process.poll() is None and time.monotonic() < deadline, self.log()
            time.sleep(0.1)

    def answers(self):
        try:
            return bool(self.get("api/v1/viewer"))
        except OSError:
            return False

    def log(self):
        return (self.folder / "server.txt").read_text()

    def kill(self):
        self.process.send_signal(signal.SIGKILL)  # ends a server that hangs, too
        self.process.wait()

    def hang(self):
        """Take connections and answer none."""
        self.process.send_signal(signal.SIGSTOP)

    def get(self, path):
        with urllib.request.urlopen(f"{self.url}/{path}", timeout=STARTS_IN) as answer:
            return json.load(answer)

    def runs(self):
        return self.get(f"api/v2/projects/default/{PROJECT}/runs")["runs"]

    def curve(self, run, name):
        """Return (line, epoch, value) of a metric, each once; epoch and value are of the same line of W&B's.

        W&B's own server overwrites the lines of a run that begins again, by their numbers. This one keeps them beside
        the new, and always says that a run has no lines yet (openwandb 0.5.25). So a line that was sent twice is one
        here if it is the same, and two if W&B would have lost the first.
        """
        logged = self.get(f"api/v2/runs/{run}/metrics")["metrics_by_key"]
        epochs = {(point["step"], point["wall_time"]): point["value"] for point in logged.get("epoch", [])}
        return {(p["step"], int(epochs[p["step"], p["wall_time"]]), p["value"]) for p in logged.get(name, [])}

    def files(self, run):
        return [file["name"] for file in self.get(f"api/v1/runs/{run}/files")["files"]]


class Door:
    """Let those in who have the right key, as W&B's own server does and openwandb does not; keep what was said."""

    def __init__(self, server, key):
        self.server, self.expected = server, "Basic " + base64.b64encode(f"api:{key}".encode()).decode()
        self.asked, self.refused = [], 0
        handler = type("Handler", (_Handler,), {"door": self})
        self.listener = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.listener.server_port}"
        threading.Thread(target=self.listener.serve_forever, daemon=True).start()

    def close(self):
        self.listener.shutdown()
        self.listener.server_close()


class _Handler(BaseHTTPRequestHandler):
    door: Door

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Authorization") != self.door.expected:
            self.door.refused += 1
            return self.reply(401, b'{"errors": [{"message": "invalid key"}]}', "application/json")
        self.door.asked.append((self.path, body))
        inner = http.client.HTTPConnection("127.0.0.1", self.door.server.port, timeout=STARTS_IN)
        kept = {name: value for name, value in self.headers.items() if name.lower() not in ("connection",)}
        inner.request(self.command, self.path, body, kept)
        answer = inner.getresponse()
        self.reply(answer.status, answer.read(), answer.getheader("Content-Type", ""))

    do_POST = do_PUT = do_GET

    def reply(self, status, body, kind):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass
