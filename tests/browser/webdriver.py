"""Headless Chromium driven over the WebDriver protocol, with the standard library alone."""

import base64
import json
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

PROGRAMS = ("chromium", "chromedriver")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)


def missing_programs() -> list[str]:
    return [program for program in PROGRAMS if shutil.which(program) is None]


class Browser:
    """One browser session; leaving the context ends it."""

    def __init__(self, driver: str, profile: Path) -> None:
        options = {"args": [*_FLAGS, f"--user-data-dir={profile}"], "binary": shutil.which("chromium")}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        self._url = f"{driver}/session"
        session = self._post("", {"capabilities": {"alwaysMatch": wanted}})
        self._url += f"/{session['sessionId']}"

    def __enter__(self) -> "Browser":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._request("", None, "DELETE")

    def resize(self, width: int, height: int, scheme: str) -> None:
        """Set the viewport (a window cannot be narrower than about 500 pixels) and the preferred colour scheme."""
        self._devtools(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        self._devtools(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}]
        )

    def open(self, url: str) -> None:
        self._post("/url", {"url": url})

    def evaluate(self, script: str) -> Any:
        return self._post("/execute/sync", {"script": script, "args": []})

    def console(self) -> list[dict[str, Any]]:
        """What the page wrote to the console since the last call, the browser's own complaints included."""
        entries: list[dict[str, Any]] = self._post("/se/log", {"type": "browser"})
        return entries

    def screenshot(self, path: Path) -> None:
        """The whole page, not only what fits the viewport."""
        picture = self._devtools("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(picture["data"]))

    def _devtools(self, command: str, **parameters: Any) -> Any:
        return self._post("/goog/cdp/execute", {"cmd": command, "params": parameters})

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        return self._request(path, json.dumps(body).encode(), "POST")

    def _request(self, path: str, body: bytes | None, method: str) -> Any:
        request = urllib.request.Request(
            self._url + path, body, {"Content-Type": "application/json"}, method=method
        )
        # no proxy between this process and its own child
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=60) as answer:
            return json.loads(answer.read())["value"]


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A fresh browser on a fresh profile, both gone afterwards."""
    with subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, text=True) as driver:
        try:
            assert driver.stdout is not None
            lines = iter(driver.stdout.readline, "")
            started = next(
                found for line in lines if (found := re.search(r"successfully on port (\d+)", line))
            )
            with Browser(f"http://127.0.0.1:{started[1]}", profile) as session:
                yield session
        finally:
            driver.terminate()
