"""Drives a headless Chromium by its DevTools protocol, over a pipe: messages are JSON, each ended by a NUL."""

import json
import os
import select
import shutil
import subprocess
import tempfile
import time

PATIENCE = 30  # seconds that an answer may take


class Chromium:
    """A browser without network, to be used in a `with`."""

    def __enter__(self):
        self.profile = tempfile.mkdtemp(prefix="emofuse-chromium-")
        own, self.writes = os.pipe()
        self.reads, its = os.pipe()
        options = [
            *("--headless", "--remote-debugging-pipe", f"--user-data-dir={self.profile}", "--no-first-run"),
            *("--disable-gpu", "--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND", "--hide-scrollbars"),
            *(["--no-sandbox"] if os.geteuid() == 0 else []),  # Chromium refuses to run as root with it
        ]
        # Chromium reads from 3 and writes to 4.
        command = ["bash", "-c", f'exec "$@" 3<&{own} 4>&{its}', "bash", "chromium", *options]
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(command, pass_fds=(own, its), stdin=quiet, stdout=quiet, stderr=quiet)
        for end in (own, its):
            os.close(end)
        self.received, self.sent, self.events = b"", 0, []
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(PATIENCE)
        for end in (self.reads, self.writes):
            os.close(end)
        shutil.rmtree(self.profile, ignore_errors=True)

    def open(self, path, scheme="light", media="screen", width=1300):
        """The Page of a file, with that colour scheme, as on a screen or in print, so many pixels wide."""
        target = self.call("Target.createTarget", {"url": "about:blank"})["targetId"]
        session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        page = Page(self, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        page.call("Emulation.setEmulatedMedia", {"media": media, "features": features})
        size = {"width": width, "height": 1100, "deviceScaleFactor": 1, "mobile": False}
        page.call("Emulation.setDeviceMetricsOverride", size)
        page.call("Emulation.setFocusEmulationEnabled", {"enabled": True})
        page.call("Page.navigate", {"url": path.as_uri()})
        page.wait("Page.loadEventFired")
        return page

    def call(self, method, params=None, session=None):
        """The result of a command. Raises RuntimeError where the browser refuses it."""
        self.sent += 1
        message = {"id": self.sent, "method": method, "params": params or {}}
        os.write(self.writes, json.dumps(message | ({"sessionId": session} if session else {})).encode() + b"\0")
        while (answer := self.receive()).get("id") != message["id"]:
            self.events.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def receive(self):
        """The next message. Raises TimeoutError."""
        until = time.monotonic() + PATIENCE
        while b"\0" not in self.received:
            if not select.select([self.reads], [], [], max(0, until - time.monotonic()))[0]:
                raise TimeoutError("Chromium does not answer.")
            read = os.read(self.reads, 1 << 20)
            if not read:
                raise RuntimeError("Chromium has ended; run `chromium --headless --no-sandbox about:blank` to see why.")
            self.received += read
        message, _, self.received = self.received.partition(b"\0")
        return json.loads(message)


class Page:
    """An open page."""

    def __init__(self, browser, session):
        self.browser, self.session = browser, session

    def call(self, method, params=None):
        return self.browser.call(method, params, self.session)

    def wait(self, event):
        while not self.heard(event):
            self.browser.events.append(self.browser.receive())

    def heard(self, *events):
        """The parameters of the events of these names that came so far."""
        own = [event for event in self.browser.events if event.get("sessionId") == self.session]
        return [event["params"] for event in own if event["method"] in events]

    def evaluate(self, script):
        """The value of a JavaScript expression, of a promise what it comes to."""
        found = self.call("Runtime.evaluate", {"expression": script, "returnByValue": True, "awaitPromise": True})
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"]["exception"].get("description", script))
        return found["result"].get("value")

    def point(self, element, *, click=False):
        """Move the mouse onto an element, a JavaScript expression, and click if asked to."""
        script = f"(() => {{ const e = {element}; e.scrollIntoView({{block: 'center', behavior: 'instant'}});"
        script += " const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        x, y = self.evaluate(script)
        for kind in ("mouseMoved", *(("mousePressed", "mouseReleased") if click else ())):
            mouse = {"type": kind, "x": x, "y": y, "button": "left" if click else "none", "clickCount": int(click)}
            self.call("Input.dispatchMouseEvent", mouse)

    def press(self, key, text=""):
        """Press a key and let it go."""
        for kind in ("keyDown", "keyUp"):
            code = {"Enter": 13, "ArrowRight": 39, "ArrowDown": 40, "Tab": 9}[key]
            pressed = {"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code}
            self.call("Input.dispatchKeyEvent", pressed | ({"text": text} if text and kind == "keyDown" else {}))

    def faults(self):
        """What the console says of errors, policies that were broken included."""
        said = [event["entry"] for event in self.heard("Log.entryAdded")]
        broken = [f"{entry['level']}: {entry['text']}" for entry in said if entry["level"] in ("error", "warning")]
        thrown = [event["exceptionDetails"]["text"] for event in self.heard("Runtime.exceptionThrown")]
        console = [str(event["args"]) for event in self.heard("Runtime.consoleAPICalled") if event["type"] == "error"]
        return broken + thrown + console

    def requests(self):
        """The addresses of all that the page has asked for."""
        return [event["request"]["url"] for event in self.heard("Network.requestWillBeSent")]
