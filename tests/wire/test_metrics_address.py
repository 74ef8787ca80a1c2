"""/metrics and /readyz on an address of their own."""

import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from support import Server


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_metrics_and_readiness_are_served_on_their_own_address_only(tmp_path: Path) -> None:
    own = f"127.0.0.1:{free_port()}"
    running = Server.on_copy(tmp_path / "data", "--metrics-listen", own, "--allowed-hosts", "crm.example.com")
    paths = ("/metrics", "/readyz", "/healthz", "/openrpc.json", "/pubapi/v1", "/t.js")
    try:
        public = {path: status(f"{running.url}{path}") for path in paths}
        inner = {path: status(f"http://{own}{path}") for path in paths}
    finally:
        assert running.stop() == 0
    assert public == {
        "/metrics": 404,
        "/readyz": 404,
        "/healthz": 200,
        "/openrpc.json": 200,
        "/pubapi/v1": 401,
        "/t.js": 200,
    }
    assert inner == {
        "/metrics": 200,
        "/readyz": 200,
        "/healthz": 200,
        "/openrpc.json": 404,
        "/pubapi/v1": 404,
        "/t.js": 404,
    }


@pytest.mark.parametrize("port", [0, 8025, 65_536])
def test_the_address_of_metrics_needs_a_port_of_its_own(tmp_path: Path, port: int) -> None:
    command = [sys.executable, "-m", "springhead", "serve", "--metrics-listen", f"127.0.0.1:{port}", "--port", "8025"]
    refused = subprocess.run([*command, "--data", str(tmp_path / "data")], capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "metrics_listen needs a port of its own" in refused.stderr
