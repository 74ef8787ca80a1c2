"""The log contains no secret, and no value can forge a line or control a terminal (A46, A56)."""

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from doc_pages import TOP, blocks
from support import Company, Server, eventually, new_email

SECRET = "5EAD" + "0123456789ABCDEF" * 3

SCRIPT = f"""
import logging, sys, warnings
from springhead.wire import logs
logs.configure("info", sys.argv[1])
import structlog
log = structlog.get_logger()
secret = {SECRET!r}
log.info("call", secretKey="hush0", Authorization="hush1", nested={{"password": "hush2", "token": ["hush3"]}})
log.info("value", text=f"before {{secret}} after", items=[secret], key_id=7)
log.info("address", url="http://h/pubapi/v1/?accountID=A&secretKey=hush4&x=1", dsn="postgresql://u:hush5@h/d")
log.info("header", seen="Authorization: Bearer hush6")
log.info("a\\r\\n2026-01-01 [info] forged", name="\\x1b[2J\\x9b31m\\u202e\\u2028", lone="\\ud800", nul="\\0")
log.info("odd", number=2**80, nan=float("nan"), thing=b"\\n", long="x" * 100_000)
log.debug("unseen")
try:
    raise ValueError("wrong\\n2026-01-01 [info] forged\\x1b[2J " + secret)
except ValueError:
    log.exception("failed")
logging.getLogger("uvicorn.error").error("routed\\n%s", secret)
logging.getLogger("asyncpg").info("unseen")
logging.getLogger("uvicorn.access").warning("by way of the root")
warnings.warn("careful")
"""


def logged(form: str) -> str:
    done = subprocess.run([sys.executable, "-c", SCRIPT, form], capture_output=True, check=True, timeout=30)
    assert done.stdout == b""
    return done.stderr.decode()


def test_json_lines_hold_no_secret_and_cannot_be_forged() -> None:
    text = logged("json")
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["level"] for line in lines] == ["info"] * 6 + ["error", "error", "warning", "warning"]
    assert all(line["timestamp"].endswith("Z") for line in lines)
    assert SECRET not in text
    assert "hush" not in text
    assert lines[0]["secretKey"] == lines[0]["Authorization"] == lines[0]["nested"]["password"] == "***"
    assert lines[1]["text"] == "before *** after"
    assert lines[1]["key_id"] == 7
    assert lines[2]["url"] == "http://h/pubapi/v1/?accountID=A&secretKey=***&x=1"
    assert lines[2]["dsn"] == "postgresql://u:***@h/d"
    assert lines[4]["event"] == "a\\r\\n2026-01-01 [info] forged"
    assert lines[4]["name"] == "\\x1b[2J\\x9b31m\\u202e\\u2028"
    assert len(lines[5]["long"]) < 5_000
    assert lines[6]["exception"].endswith("forged\\x1b[2J ***")
    assert lines[7] | {"timestamp": ""} == {
        "timestamp": "",
        "level": "error",
        "event": "routed\\n***",
        "logger": "uvicorn.error",
    }
    assert "careful" in lines[9]["event"]


def test_a_call_is_logged_as_the_page_shows(server: Server, company: Company) -> None:
    """The line of docs/operating.md: the same keys in the same order, and values of the same types."""
    ((_, shown),) = blocks(TOP / "docs" / "operating.md", "json")
    objects = [{"emailAddress": new_email()} for _ in range(3)]
    company.call("createLeads", objects=objects * 2)

    def lines() -> list[str]:
        return [line for line in server.log.read_text().splitlines() if f'"company":"{company.account_id}"' in line]

    eventually(lambda: len(lines()) == 1)
    ours, theirs = json.loads(lines()[0]), json.loads(shown)
    assert [(name, type(value)) for name, value in ours.items()] == [(name, type(v)) for name, v in theirs.items()]
    for name in ("level", "event", "method", "objects", "refused", "peer"):
        assert ours[name] == theirs[name]


def test_the_text_log_has_no_secret_and_cannot_be_forged_either() -> None:
    text = logged("text")
    assert SECRET not in text
    assert not [letter for letter in text if not letter.isprintable() and letter != "\n"]
    ours = [line for line in text.splitlines() if not line.startswith("    ")]
    assert len(ours) == 10
    assert not [line for line in ours if line.startswith("2026-01-01")]
    assert "hush" not in text


def test_a_log_that_takes_no_more_lines_delays_no_call(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", "--no-limits", log_to=Path("/dev/full"))
    with closing(Company(server.url, server.ready["accountID"], server.ready["secretKey"])) as company:
        for _ in range(3):
            company.create({})
            assert company.send(b"not json")[0] == 200
    assert server.stop() == 0
