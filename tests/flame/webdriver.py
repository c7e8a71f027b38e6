# SPDX-License-Identifier: Apache-2.0
"""The few words of the WebDriver protocol (https://www.w3.org/TR/webdriver2/) that a page's test needs, to a headless Chromium."""

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import urllib.request

CHROMIUM = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--allow-file-access-from-files"]
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Browser:
    """A session. Ends what it started: the driver and all of its browsers are one process group."""

    def __init__(self, *arguments, width=1300, height=900):
        self.profile = tempfile.mkdtemp(prefix="tokprof-browser.")
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                       text=True, start_new_session=True)
        try:
            self.port = next(int(m.group(1)) for m in (re.search(r"successfully on port (\d+)", line) for line in self.driver.stdout) if m)
            options = {"args": [*CHROMIUM, *arguments, f"--user-data-dir={self.profile}", f"--window-size={width},{height}"],
                       "binary": shutil.which("chromium")}
            answer = self.ask("POST", "/session", {"capabilities": {"alwaysMatch": {
                "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}}})
            self.session = "/session/" + answer["sessionId"]
        except BaseException:
            self.close()
            raise

    def ask(self, method, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method,
                                         data=None if body is None else json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def open(self, url):
        self.ask("POST", self.session + "/url", {"url": url})

    def script(self, text, *arguments):
        return self.ask("POST", self.session + "/execute/sync", {"script": text, "args": list(arguments)})

    def find(self, selector):
        return self.ask("POST", self.session + "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        self.ask("POST", f"{self.session}/element/{self.find(selector)}/click", {})

    def type(self, selector, text):
        self.ask("POST", f"{self.session}/element/{self.find(selector)}/value", {"text": text})

    def screenshot(self):
        return self.ask("GET", self.session + "/screenshot")

    def complaints(self):
        """What the browser said of the page: refused scripts, errors."""
        return [entry["message"] for entry in self.ask("POST", self.session + "/se/log", {"type": "browser"})]

    def close(self):
        try:
            os.killpg(self.driver.pid, signal.SIGTERM)
        except ProcessLookupError:
            pass
        self.driver.wait(timeout=20)
        self.driver.stdout.close()
        shutil.rmtree(self.profile, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
