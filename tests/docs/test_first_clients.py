"""The clients of docs/start.md: they work as printed, wait as the server says, and explain a wrong key."""

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from callers import patient
from doc_pages import TOP, blocks
from programs import program
from support import Company, Server, eventually, new_company

START = TOP / "docs" / "start.md"
FILES = {"python": "client.py", "php": "client.php", "ruby": "client.rb", "javascript": "client.mjs"}
INTERPRETERS = {"php": "php", "ruby": "ruby", "javascript": "node"}
ENVIRONMENT = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}


def command(language: str, company: Company, folder: Path, *, loop: str = "") -> list[str]:
    """Writes the client of a language into a folder, with the company's address, and returns the command for it."""
    (_, client), _ = blocks(START, language)
    client = client.replace("http://127.0.0.1:8025", company.url)
    client = client.replace("ACCOUNTID&", f"{company.account_id}&").replace("SECRETKEY", company.secret)
    file = folder / FILES[language]
    file.write_text(f"{client}\n{loop}")
    return [program(INTERPRETERS[language]) if language in INTERPRETERS else sys.executable, str(file)]


def ran(words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, timeout=200, check=False, env=ENVIRONMENT)


@pytest.mark.parametrize("language", FILES)
def test_a_first_client_creates_a_lead_beside_the_pasted_one(language: str, company: Company, tmp_path: Path) -> None:
    company.create({"emailAddress": "ada@example.com"})  # by the curl line of the greeting
    words = command(language, company, tmp_path)

    first, again = ran(words), ran(words)

    (lead,) = company.call("getLeads", where={"emailAddress": "grace@example.com"})
    assert lead["firstName"] == "Grace"
    assert (first.stdout, first.stderr, first.returncode) == (f"Created {lead['id']}\n", "", 0)
    assert (again.stdout, again.stderr, again.returncode) == ("Refused: Entry already exists\n", "", 0)


@pytest.mark.parametrize("language", FILES)
def test_a_wrong_key_is_one_line_and_no_crash(language: str, company: Company, tmp_path: Path) -> None:
    wrong = Company(company.url, company.account_id, "5EAD1E5E")

    done = ran(command(language, wrong, tmp_path))

    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line == '401 "Unable to determine clusterID from provided accountID/secretKey"'


@pytest.mark.parametrize("language", FILES)
def test_a_refused_call_is_one_line_and_no_crash(language: str, company: Company, tmp_path: Path) -> None:
    words = command(language, company, tmp_path)
    file = Path(words[-1])
    file.write_text(file.read_text().replace("createLeads", "createLeeds"))

    done = ran(words)

    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("204 Invalid method signature ")


@pytest.mark.parametrize("language", FILES)
@pytest.mark.parametrize("limit", ["500", "1000"])
def test_the_loop_reads_all_leads_whatever_limit_it_sends(
    language: str, limit: str, company: Company, tmp_path: Path
) -> None:
    company.create(*[{}] * 500)
    company.create(*[{}] * 300)
    _, (_, loop) = blocks(START, language)
    assert "500" in loop

    done = ran(command(language, company, tmp_path, loop=loop.replace("500", limit)))

    assert done.returncode == 0, done.stderr
    created, *read = done.stdout.splitlines()
    assert len(read) == len(set(read)) == 801
    assert read[-1] == f"{created.removeprefix('Created ')} grace@example.com"


def test_each_client_waits_for_a_server_that_restarts_and_for_the_limits(tmp_path: Path) -> None:
    server = Server.on_copy(tmp_path / "data")
    port = str(urlsplit(server.url).port)
    company = new_company(server, per_second=1)
    words = {}
    for language in FILES:
        (tmp_path / language).mkdir()
        words[language] = command(language, company, tmp_path / language)
        file = Path(words[language][-1])
        file.write_text(file.read_text().replace("grace@example.com", f"{language}@example.com"))
    assert server.stop() == 0

    said = {language: tmp_path / language / "said" for language in FILES}
    running = {}
    for language, line in words.items():
        with said[language].open("wb") as errors:
            running[language] = subprocess.Popen(
                line, stdout=subprocess.PIPE, stderr=errors, text=True, env=ENVIRONMENT
            )
    for file in said.values():
        eventually(lambda file=file: "The server does not answer, trying again in 1 s" in file.read_text())
    server = Server(tmp_path / "data", "--port", port)
    printed = {language: process.communicate(timeout=200)[0] for language, process in running.items()}

    assert {process.returncode for process in running.values()} == {0}
    waited = "".join(file.read_text() for file in said.values())
    assert re.search(r"trying again in 0\.\d+ s", waited), "one call a second made the clients wait for each other"
    company = Company(server.url, company.account_id, company.secret)
    for language, text in printed.items():
        (lead,) = patient(company, "getLeads", where={"emailAddress": f"{language}@example.com"})["lead"]
        assert text == f"Created {lead['id']}\n"
    company.close()
    assert server.stop() == 0
