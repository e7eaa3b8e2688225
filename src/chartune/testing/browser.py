"""A headless Chromium, driven over a pipe by the DevTools protocol: no port, no driver, no package."""

import base64
import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

CHROMIUM: Final = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
FLAGS: Final = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions", "--disable-default-apps", "--mute-audio",
    "--remote-debugging-pipe", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip
SECONDS: Final = 20.0
LAUNCH: Final = """
import fcntl, os, sys
takes, gives = (fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3])
os.dup2(takes, 3), os.dup2(gives, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""The protocol's pipes are 3 and 4."""


class Browser:
    """One page of a browser."""

    def __init__(self, reads: int, writes: int) -> None:
        """Attach to a page. reads, writes: ends of pipes."""
        self._reads, self._writes, self._rest, self._last = reads, writes, b"", 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        """All that it has said by itself: requests, messages of the console, violations of the policy."""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> Any:
        """A command, and what it answers."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": params}
        data = json.dumps(message | ({"sessionId": self._session} if self._session else {})).encode() + b"\0"
        while data:
            data = data[os.write(self._writes, data) :]
        while True:
            said = self._next()
            if said.get("id") == self._last:
                if "error" in said:
                    raise RuntimeError(f"{method}: {said['error']['message']}")
                return said["result"]
            self.events.append(said)

    def run(self, script: str) -> Any:
        """What a script gives, awaited."""
        made = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in made:
            raise RuntimeError(made["exceptionDetails"].get("exception", {}).get("description", "a script failed"))
        return made["result"].get("value")

    def open(self, address: str) -> None:
        """Go to a page, and wait until it is loaded."""
        self.send("Page.navigate", url=address)
        self.until(lambda: self.run("document.readyState") == "complete" and self.run("location.href") != "about:blank")

    def until(self, holds: Callable[[], Any] | str) -> None:
        """Wait until a script, or a function, gives something true."""
        if not isinstance(holds, str):
            while not holds():
                select.select([], [], [], 0.02)
            return
        script = f"new Promise(done => {{const look = () => ({holds}) ? done(true) : setTimeout(look, 15); look();}})"
        assert self.run(script)

    def said(self, method: str) -> list[dict[str, Any]]:
        """Events of one kind, what they hold."""
        return [event["params"] for event in self.events if event.get("method") == method]

    def sized(self, width: int, height: int) -> None:
        """As on a screen of so many pixels."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def picture(self, file: Path) -> Path:
        """The whole page as PNG."""
        size = self.send("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        made = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        file.write_bytes(base64.b64decode(made["data"]))
        return file

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            if not select.select([self._reads], [], [], SECONDS)[0]:
                raise TimeoutError("the browser says nothing")
            part = os.read(self._reads, 1 << 16)
            if not part:
                raise RuntimeError("the browser has ended")
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\0")
        said: dict[str, Any] = json.loads(line)
        return said


@contextmanager
def browsing(profile: Path, *flags: str) -> Iterator[Browser]:
    """A browser with a profile of its own, ended afterwards. Needs `CHROMIUM`."""
    assert CHROMIUM is not None
    takes, ours = os.pipe()
    reads, gives = os.pipe()
    command = [CHROMIUM, *FLAGS, *flags, f"--user-data-dir={profile}"]
    launch = [sys.executable, "-c", LAUNCH, str(takes), str(gives), *command]
    with subprocess.Popen(
        launch, pass_fds=(takes, gives), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:  # fmt: skip
        os.close(takes)
        os.close(gives)
        try:
            yield Browser(reads, ours)
        finally:
            process.kill()
            process.wait()
            os.close(reads)
            os.close(ours)
