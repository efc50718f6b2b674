"""Chromium told what to do through its own pipe: https://chromedevtools.github.io/devtools-protocol/."""

import fcntl
import json
import os
import select
import shutil
import subprocess
import time

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PATIENCE = 120  # seconds until a test gives up waiting for an answer
ODD = ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled")


class Browser:
    """One empty page, without a window; what its console says is collected."""

    def __init__(self, folder, width=1280, height=900):
        (orders, self.orders), (self.answers, answers) = os.pipe(), os.pipe()
        # Chromium reads from 3 and writes to 4, which bash gives it; 20: out of their way
        theirs = [fcntl.fcntl(end, fcntl.F_DUPFD, 20) for end in (orders, answers)]
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"]
        command = [CHROMIUM, *options, f"--user-data-dir={folder}", f"--window-size={width},{height}"]
        shell = ["bash", "-c", f'exec "$@" 3<&{theirs[0]} 4>&{theirs[1]}', "-", *command]
        self.process = subprocess.Popen(shell, pass_fds=theirs, stderr=subprocess.DEVNULL)
        for end in (orders, answers, *theirs):
            os.close(end)
        self.number, self.read, self.console, self.session = 0, b"", [], {}
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = {"sessionId": self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method, **params):
        """Give an order and return its answer."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params, **self.session}
        os.write(self.orders, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self.number:
            if answer.get("method") in ODD:
                self.console.append(answer["params"])
        assert "error" not in answer, answer
        return answer["result"]

    def _next(self):
        while b"\0" not in self.read:
            assert select.select([self.answers], [], [], PATIENCE)[0], "no answer"
            found = os.read(self.answers, 1 << 20)
            assert found, "Chromium has ended"
            self.read += found
        one, _, self.read = self.read.partition(b"\0")
        return json.loads(one)

    def value(self, expression):
        """Return what an expression is worth in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def open(self, path, before):
        """Open a file after a script of ours."""
        self.call("Page.addScriptToEvaluateOnNewDocument", source=before)
        self.call("Page.navigate", url=path.as_uri())

    def wait(self, expression):
        """Wait until an expression holds in the page."""
        deadline = time.monotonic() + PATIENCE
        while not self.value(expression):
            assert time.monotonic() < deadline, f"{expression} never held"
            time.sleep(0.01)

    def close(self):
        """End it."""
        self.process.terminate()
        self.process.wait(PATIENCE)
        os.close(self.orders)
        os.close(self.answers)
