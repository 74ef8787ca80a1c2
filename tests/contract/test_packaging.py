"""The wheel contains all that the server needs: installed alone, it starts and creates a lead."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

TOP = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")


def run(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def succeeds(*command: str | Path) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def build_wheel(into: Path) -> Path:
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", into, TOP)
    (wheel,) = into.glob("springhead-*.whl")
    return wheel


def install(wheel: Path, into: Path) -> Path:
    """Installs the wheel and the locked dependencies into an empty environment. Returns its bin folder."""
    venv.create(into)
    python = into / "bin" / "python"
    locked = ("--require-hashes", "-r", TOP / "requirements.lock")
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python, "install", "--no-compile")
    if not succeeds(UV, "pip", "install", "--python", python, *locked):
        run(*pip, *locked)  # it may know a package index that uv does not know
    run(*pip, "--no-deps", "--no-index", wheel)
    return into / "bin"


@contextmanager
def served(program: Path, folder: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Starts the installed server in a new folder. Yields its process and its line of JSON."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SPRINGHEAD_"))}
    command = [program, "serve", "--data", folder / "data", "--port", "0", "--json"]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=log, text=True) as server,
    ):
        try:
            assert server.stdout
            line = server.stdout.readline()
            assert line, f"the server ended with {server.wait()}:\n{(folder / 'log').read_text()}"
            yield server, json.loads(line)
        finally:
            if server.poll() is None:
                server.terminate()
                server.wait(timeout=60)


def call(ready: dict[str, Any], method: str, params: dict[str, Any]) -> dict[str, Any]:
    url = f"{ready['url']}/pubapi/v1.2/?accountID={ready['accountID']}&secretKey={ready['secretKey']}"
    body = json.dumps({"method": method, "params": params, "id": "1"}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def test_an_installed_wheel_serves_create_leads_and_leaves_no_process_behind(tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path / "dist")
    package = TOP / "src" / "springhead"
    data_files = {
        path.relative_to(package.parent).as_posix()
        for path in package.rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"}
    }
    assert data_files <= set(zipfile.ZipFile(wheel).namelist())

    programs = install(wheel, tmp_path / "environment")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with served(programs / "springhead", elsewhere) as (server, ready):
        lead = {"emailAddress": "ada@example.com", "firstName": "Ada"}
        answer = call(ready, "createLeads", {"objects": [lead]})
        assert [created["success"] for created in answer["result"]["creates"]] == [True]
        assert answer["id"] == "1"

        started = psutil.Process(server.pid).children(recursive=True)
        assert started, "the embedded PostgreSQL is a child of the server"
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=60) == 0, (elsewhere / "log").read_text()
        _, left = psutil.wait_procs(started, timeout=5)
        assert left == []
