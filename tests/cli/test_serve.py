"""`springhead serve`: its output and refusals, and that it leaves no process running."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import psutil
import pytest

from cli.command import (
    PASSWORD,
    address,
    clean_environment,
    free_port,
    make_plain_database,
    outside_postgres,
    run_sql,
    running_postgres,
    settings,
    springhead,
)
from springhead.postgres.socket_path import running_dsn
from springhead.store.database.box import Box
from springhead.store.database.key_file import KeyFile
from support import ENCRYPTION_KEY, Company, Server, eventually, sql

TOP = Path(__file__).parents[2]


def get(url: str, path: str) -> tuple[int, str]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def greeting(data: Path, folder: Path) -> tuple[str, str]:
    """Starts the server as a person does, runs its curl line if it prints one, and presses Ctrl-C."""
    command = [sys.executable, "-m", "springhead", "serve", "--data", str(data), "--port", "0"]
    with subprocess.Popen(
        command, cwd=folder, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout
        output = ""
        while "Ctrl-C" not in output:
            line = server.stdout.readline()
            assert line, server.stderr and server.stderr.read()
            output += line
        curl = re.search(r"^curl .*$", output, re.MULTILINE)
        answer = ""
        if curl:
            pasted = subprocess.run(["bash", "-c", curl[0]], capture_output=True, text=True, check=True, timeout=30)
            answer = pasted.stdout
        started = psutil.Process(server.pid).children(recursive=True)
        server.send_signal(signal.SIGINT)
        assert server.wait(40) == 0
        _, left = psutil.wait_procs(started, timeout=5)
        assert left == []
        assert server.stderr
        server.stderr.read()
    return output, answer


class FirstStart(NamedTuple):
    """A server's first start: its data folder, its greeting, and the answer to the greeting's curl line."""

    data: Path
    greeting: str
    answer: str


@pytest.fixture(scope="module")
def first_start(tmp_path_factory: pytest.TempPathFactory) -> FirstStart:
    folder = tmp_path_factory.mktemp("first")
    return FirstStart(folder / "my data", *greeting(folder / "my data", folder))


def test_a_first_start_shows_credentials_and_a_curl_line_that_works_and_a_later_one_does_not(
    first_start: FirstStart,
) -> None:
    assert "http://127.0.0.1:" in first_start.greeting
    assert "never shown again" in first_start.greeting
    (created,) = json.loads(first_start.answer)["result"]["creates"]
    assert created["success"] is True

    output, answer = greeting(first_start.data, first_start.data.parent)
    assert answer == ""
    assert "5EAD" not in output
    assert re.search(r"key create [0-9A-F]{32} --data '.*my data'", output)


@pytest.mark.parametrize("page", ["README.md", "docs/start.md"])
def test_a_page_shows_the_greeting_of_a_first_start(first_start: FirstStart, page: str) -> None:
    (block,) = re.findall(r"(?ms)^```text\n(  Springhead is running .*?)\n```$", (TOP / page).read_text())
    printed = first_start.greeting.replace(str(first_start.data), ".springhead")
    printed = re.sub(r"http://127\.0\.0\.1:\d+", "http://127.0.0.1:8025", printed)
    for label in ("accountID", "secretKey"):
        (real,), (example,) = (re.findall(rf"^  {label}  (\w+)$", text, re.MULTILINE) for text in (printed, block))
        printed = printed.replace(real, example)
    printed = re.sub(r"http://localhost:\d+/sign-in/[\w-]{43}", "http://localhost:8025/sign-in/TOKEN", printed)
    block = re.sub(r"/sign-in/[\w-]{43}", "/sign-in/TOKEN", block)
    # A page shortens the curl line with "…", and wraps it.
    pattern = ".*".join(re.escape(part) for part in " ".join(block.split()).split("…"))
    assert re.fullmatch(pattern, " ".join(printed.split()))
    (answer,) = re.findall(r"(?ms)^```json\n(.*?)\n```$", (TOP / page).read_text())
    assert first_start.answer == answer


def test_one_line_of_json_when_ready_with_credentials_on_the_first_start_only(tmp_path: Path) -> None:
    first = Server(tmp_path / "data")
    assert list(first.ready) == ["url", "accountID", "secretKey", "signInURL"]
    assert get(first.url, "/readyz")[0] == 200
    company = Company(first.url, first.ready["accountID"], first.ready["secretKey"])
    (admin,) = company.call("getUserProfiles")
    assert (admin["emailAddress"], admin["isActive"]) == ("admin@example.com", "1")

    other = springhead("serve", "--data", first.data, "--port", "0")
    assert other.returncode == 1
    assert other.stderr.startswith(f"Error: Another Springhead server (pid {first.process.pid}) is already running on ")

    port = str(urlsplit(first.url).port)
    other = springhead("serve", "--data", tmp_path / "other", "--port", port)
    assert other.returncode == 1
    assert f"Another program uses port {port} of 127.0.0.1." in other.stderr
    assert running_dsn(tmp_path / "other") is None

    company.send(b"{", path=f"/pubapi/v1?accountID={company.account_id}&secretKey={company.secret}x")
    company.send(b"{bad json")
    company.close()
    started = psutil.Process(first.process.pid).children(recursive=True)
    assert started
    assert first.stop() == 0
    _, left = psutil.wait_procs(started, timeout=5)
    assert left == []
    assert first.ready["secretKey"] not in first.log.read_text()
    for line in first.log.read_text().splitlines():
        assert "Traceback" not in json.loads(line)["event"] or line.startswith("Error: ")

    again = Server(tmp_path / "data")
    assert list(again.ready) == ["url"]
    assert again.stop() == 0


def test_a_signal_in_the_middle_of_a_first_start_ends_it_and_the_next_one_works(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", wait=False)
    seen: list[psutil.Process] = []

    def some() -> bool:
        seen[:] = psutil.Process(server.process.pid).children(recursive=True)
        return bool(seen)

    eventually(some)
    assert server.stop() == 0, server.log.read_text()
    _, left = psutil.wait_procs(seen, timeout=5)
    assert left == []
    again = Server(tmp_path / "data")
    assert "secretKey" in again.ready
    assert again.stop() == 0


def test_an_unusable_data_folder_is_explained_in_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    done = springhead("serve", "--data", file, "--port", "0")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"Error: The data folder {file} cannot be used: ")
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    with outside_postgres(tmp_path_factory.mktemp("outside")) as superuser:
        make_plain_database(superuser)
        yield superuser


def test_servers_that_start_at_once_on_another_database_make_one_company(tmp_path: Path, postgres: str) -> None:
    run_sql(postgres, "create database shared owner springhead_owner")
    environment = settings(urlsplit(postgres).port or 0, "shared")
    folders = [tmp_path / str(number) for number in range(2)]
    for folder in folders:
        folder.mkdir()
    environment["SPRINGHEAD_ENCRYPTION_KEY"] = ENCRYPTION_KEY.text()
    servers = [Server(folder / "unused", env=environment, wait=False, key=False) for folder in folders]
    ready = [server.wait_ready() for server in servers]
    (first,) = [line for line in ready if "secretKey" in line]
    for server in servers:
        company = Company(server.url, first["accountID"], first["secretKey"])
        assert len(company.create({"firstName": "Ada"})) == 1
        assert len(company.call("getDealStages", where={})) == 4
        company.close()
    assert [server.stop() for server in servers] == [0, 0]
    assert not servers[0].data.exists()
    for server in servers:
        assert PASSWORD not in server.log.read_text()


def test_the_server_waits_for_its_database_and_answers_health_checks_meanwhile(tmp_path: Path) -> None:
    port, listen = free_port(), free_port()
    folder = tmp_path / "outside"
    folder.mkdir()
    with outside_postgres(folder, port=port) as superuser:
        make_plain_database(superuser)
    with subprocess.Popen(
        [sys.executable, "-m", "springhead", "serve", "--json", "--port", str(listen)],
        cwd=tmp_path,
        env=clean_environment() | settings(port),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as server:
        eventually(lambda: listens(listen))
        here = f"http://127.0.0.1:{listen}"
        assert get(here, "/healthz")[0] == 200
        assert get(here, "/readyz")[0] == 503
        assert server.stderr
        assert server.stdout
        text = line = ""
        while "the database does not answer; trying again" not in text:
            line = server.stderr.readline().decode()
            assert line, "the server has ended"
            text += line
        waiting = json.loads(line)
        assert waiting["database"] == f"postgresql://springhead:***@127.0.0.1:{port}/springhead"
        assert waiting["reason"] == "Connection refused"
        with running_postgres(folder, port):
            ready = json.loads(server.stdout.readline())
            assert get(here, "/readyz")[0] == 200
            company = Company(ready["url"], ready["accountID"], ready["secretKey"])
            assert len(company.create({})) == 1
            company.close()
            server.terminate()
            assert server.wait(40) == 0
        text += server.stderr.read().decode()
    assert PASSWORD not in text
    assert "battery" not in text


def test_the_first_log_line_says_which_database_the_server_waits_for(tmp_path: Path) -> None:
    """A database whose host swallows all packets, as behind a firewall, gives no sign for seconds."""
    deaf = socket.create_server(("127.0.0.1", 0))  # never accepts, and never answers
    url = address("springhead", deaf.getsockname()[1], "springhead")
    command = [sys.executable, "-m", "springhead", "serve", "--port", "0"]
    environment = clean_environment() | {"SPRINGHEAD_DATABASE_URL": url}
    with deaf, subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr
        first = json.loads(server.stderr.readline())
        server.terminate()
        assert server.wait(40) == 0
        server.stderr.read()
    assert first["event"] == "connecting to the database"
    assert first["database"] == url.replace(PASSWORD.replace(" ", "%20"), "***")


def test_a_public_server_without_a_public_url_warns_at_its_start_and_a_local_one_at_the_first_such_answer(
    tmp_path: Path,
) -> None:
    public = Server.on_copy(tmp_path / "public", "--allowed-hosts", "127.0.0.1")
    assert '"public_url is not set","meaning":"the addresses of forms,' in public.log.read_text()
    local = Server.on_copy(tmp_path / "local")
    company = Company(local.url, local.ready["accountID"], local.ready["secretKey"])
    company.create({})
    assert "public_url" not in local.log.read_text()
    for _ in range(2):
        company.call("getCaptureSettings")
    assert local.log.read_text().count("public_url is not set: a call was answered with addresses that") == 1
    company.close()
    assert [server.stop() for server in (public, local)] == [0, 0]


@pytest.mark.parametrize(
    ("role", "database", "password", "message"),
    [
        ("boss", "postgres", PASSWORD, "is a superuser or bypasses row-level security"),
        ("springhead", "springhead", "wrong", "password authentication failed"),
        ("springhead", "nowhere", PASSWORD, 'database "nowhere" does not exist'),
    ],
)
def test_a_wrong_database_is_explained_in_a_sentence(  # noqa: PLR0917
    tmp_path: Path, postgres: str, role: str, database: str, password: str, message: str
) -> None:
    url = address(role, urlsplit(postgres).port or 0, database)
    url = url.replace(PASSWORD.replace(" ", "%20"), password.replace(" ", "%20"))
    done = springhead("serve", "--port", "0", "--json", cwd=tmp_path, env={"SPRINGHEAD_DATABASE_URL": url})
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert message in line
    assert "Traceback" not in done.stderr


def test_the_command_and_each_of_its_commands_start_as_programs(tmp_path: Path) -> None:
    """The other tests run commands in forks of a process that has imported all modules."""
    program = [sys.executable, "-m", "springhead"]
    commands = ("serve", "company", "key", "seed", "doctor", "settings", "db")
    command_lines = [["--help"], ["--version"], *([command, "--help"] for command in commands)]
    running = [
        subprocess.Popen([*program, *words], cwd=tmp_path, env=clean_environment(), stdout=subprocess.PIPE, text=True)
        for words in command_lines
    ]
    shown = [process.communicate(timeout=60)[0] for process in running]
    assert [process.returncode for process in running] == [0] * len(running)
    for command in commands:
        assert f"  {command} " in shown[0]
    assert re.fullmatch(r"springhead \d+\.\d+\.\d+\S*\n", shown[1])
    for command, text in zip(commands, shown[2:], strict=True):
        assert text.startswith(f"Usage: springhead {command} ")


def test_the_first_start_creates_the_key_for_its_owner_only(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", key=False)
    file = tmp_path / "data" / "encryption.key"
    try:
        assert file.stat().st_mode & 0o777 == 0o600
        assert file.stat().st_uid == os.geteuid()
        (key,) = KeyFile(file).keys()
        assert Box(lambda: [key]).key_ids() == [
            row["id"] for row in sql(server.dsn, "select substring(encrypted_signing_key from 2 for 8) as id from site")
        ]
        assert "created the encryption key" in server.log.read_text()
        assert key.text() not in server.log.read_text()
    finally:
        assert server.stop() == 0
