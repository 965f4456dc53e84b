"""The world of these tests: the real binary (SERINUS_BIN) on a scripted provider, set up over its control API.
Knows nothing of the SDKs that are driven against it."""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import pytest

import upstream

READY_S = 30


class Control:
    """The control API."""

    def __init__(self, base, token):
        self.base, self.token = base, token

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.base}/api/v1{path}", data=data, method=method)
        request.add_header("authorization", f"Bearer {self.token}")
        request.add_header("content-type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as refused:
            raise AssertionError(f"{method} {path}: {refused.code} {refused.read().decode()}") from None

    def artifact(self, kind, name, content):
        return self.call("POST", "/artifacts", {"kind": kind, "name": name, "content": content})["reference"]

    def model(self, name):
        return self.artifact("model", name, {"provider": "upstream", "model": name})


@pytest.fixture(scope="session")
def serinus(tmp_path_factory):
    provider = upstream.start()
    folder = tmp_path_factory.mktemp("serinus")
    data, log = folder / "data", open(folder / "server.log", "wb")
    url = f"upstream=http://127.0.0.1:{provider.server_port}/v1"
    command = [os.environ["SERINUS_BIN"], "serve", "--port", "0", "--data", str(data), "--provider", url]
    server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        base = wait_for(server, data, folder / "server.log")
        control = Control(base, (data / "admin.token").read_text().strip())
        set_up(control)
        token = control.call("POST", "/tokens", {"name": "app", "scopes": ["evaluate", "invoke", "record"]})["secret"]
        yield SimpleNamespace(base=base, control=control, token=token, provider=provider)
    finally:
        server.terminate()
        server.wait(timeout=25)
        provider.shutdown()


def wait_for(server, data, log):
    until = time.monotonic() + READY_S
    while time.monotonic() < until:
        assert server.poll() is None, Path(log).read_text()
        try:
            base = (data / "address").read_text().strip()
            urllib.request.urlopen(f"{base}/healthz", timeout=2).close()
            return base
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"server is not ready after {READY_S} s: {Path(log).read_text()}")


def set_up(control):
    prompt = control.artifact("system_prompt", "support", {"text": "You help people."})
    sampling = control.artifact("sampling", "cool", {"temperature": 0.2})
    control.call("PUT", "/features/support", {
        "control": {"model": control.model("steady"), "system_prompt": prompt, "sampling": sampling},
        "bucket_by": "session",
    })
    control.call("PUT", "/features/failing", {"control": {"model": control.model("failing")}})
    named = control.artifact("system_prompt", "named", {"text": "Help {{ name }}.", "variables": {"name": {"type": "string"}}})
    control.call("PUT", "/features/personal", {"control": {"model": control.model("steady"), "system_prompt": named}})
    control.call("PUT", "/features/pinned", {"control": {"model": control.model("steady")}, "bucket_by": "session"})
    half = [{"kind": "ab", "share_ppm": 500_000, "units_min": 1_000_000, "min_ms": 0}]
    control.call("POST", "/rollouts", {"change": {"pinned": {"model": control.model("fresh")}}, "stages": half})
    for key, kind, on, off in [
        ("dark-mode", "boolean", True, False),
        ("banner", "string", "Welcome", ""),
        ("ratio", "number", 2.0, 0.5),
        ("rate", "number", 3, 0.5),
        ("limit", "number", 42, 1),
        ("theme", "object", {"colour": "blue", "depth": 2}, {}),
    ]:
        control.call("PUT", f"/flags/{key}", {"kind": kind, "variants": {"on": on, "off": off}, "default": "on"})
    control.call("PUT", "/flags/beta", {
        "kind": "boolean", "variants": {"on": True, "off": False}, "default": "off",
        "rules": [{"when": {"equals": {"attribute": "plan", "value": "gold"}}, "serve": {"variant": "on"}}],
    })
    control.call("PUT", "/flags/gone", {"kind": "string", "variants": {"x": "y"}, "default": "x", "disabled": True})
    split = [{"variant": "a", "share_ppm": 500_000}, {"variant": "b", "share_ppm": 500_000}]
    control.call("PUT", "/flags/split", {
        "kind": "string", "variants": {"a": "a", "b": "b"}, "default": "a", "rules": [{"serve": {"split": split}}],
    })
