"""`springhead doctor` on a healthy installation and on broken ones."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from cli.command import PASSWORD, free_port, outside_postgres, run_sql, springhead
from springhead.cli import checkup
from support import Server, sql


def examined(*words: str | Path, env: dict[str, str] | None = None) -> tuple[int, dict[str, Any]]:
    done = springhead("doctor", "--json", *words, env=env)
    assert "Traceback" not in done.stderr
    assert PASSWORD not in done.stdout + done.stderr
    return done.returncode, {check["name"]: check for check in json.loads(done.stdout)}


def test_a_healthy_server_is_in_order(server: Server) -> None:
    where = ("--data", server.data, "--port", str(urlsplit(server.url).port))
    code, checks = examined(*where)
    assert code == 0
    assert {name: check["state"] for name, check in checks.items() if check["state"] != "ok"} == {}
    assert list(checks) == [
        *(
            "settings",
            "public URL",
            "data folder",
            "disk",
            "database",
            "version",
            "role",
            "text",
            "durability",
            "indexes",
        ),
        *("migrations", "clock", "connections", "background jobs", "pushes", "secrets", "jobs"),
    ]
    assert checks["database"]["found"] == "embedded, running"
    shown = springhead("doctor", *where)
    assert shown.stdout.splitlines()[-1] == "Everything is in order."


def test_a_problem_of_the_database_is_shown_with_a_remedy(tmp_path: Path) -> None:
    with outside_postgres(tmp_path, "--encoding=SQL_ASCII", "--locale=C") as superuser:
        nowhere = ("--port", str(free_port()))
        code, checks = examined(*nowhere, env={"SPRINGHEAD_DATABASE_URL": superuser, "SPRINGHEAD_POOL_SIZE": "900"})
        assert code == 1
        assert {name: check["state"] for name, check in checks.items()} == {
            "settings": "ok",
            "public URL": "ok",
            "database": "ok",
            "version": "ok",
            "role": "broken",
            "text": "broken",
            "durability": "warning",
            "indexes": "ok",
            "migrations": "warning",
            "clock": "ok",
            "connections": "broken",
            "jobs": "ok",
        }
        assert "no server answers" in checks["jobs"]["found"]
        assert "--port" in checks["jobs"]["advice"]
        assert all(check["advice"] for check in checks.values() if check["state"] != "ok")
        assert "fsync" in checks["durability"]["advice"]
        assert "0001_leads.sql" in checks["migrations"]["found"]
        shown = springhead("doctor", *nowhere, env={"SPRINGHEAD_DATABASE_URL": superuser})
        assert shown.stdout.splitlines()[-1] == "2 things are broken."
    assert urlsplit(superuser).hostname in checks["database"]["found"]


def test_a_database_that_is_not_there_is_broken_and_a_fresh_folder_is_not(tmp_path: Path) -> None:
    code, checks = examined("--database-url", f"postgresql://u:{PASSWORD[:7]}@127.0.0.1:{free_port()}/d")
    assert code == 1
    assert checks["database"]["state"] == "broken"
    assert "cannot be reached" in checks["database"]["found"]
    assert checks["settings"]["state"] == "warning"  # the password in a flag

    code, checks = examined("--data", tmp_path / "fresh")
    assert code == 0
    assert checks["database"]["advice"].endswith("springhead serve")
    assert not (tmp_path / "fresh").exists()

    (tmp_path / "file").write_text("")
    code, checks = examined("--data", tmp_path / "file")
    assert code == 1
    assert checks["data folder"]["state"] == "broken"


def test_a_refused_connection_is_told_with_its_reason_and_never_sends_back_to_the_doctor(tmp_path: Path) -> None:
    with outside_postgres(tmp_path) as superuser:
        for url, reason in {
            superuser.replace("battery", "staple"): "password authentication failed",
            superuser.replace("/postgres", "/nowhere"): 'database "nowhere" does not exist',
        }.items():
            code, checks = examined(env={"SPRINGHEAD_DATABASE_URL": url})
            assert code == 1
            assert reason in checks["database"]["found"]
            assert "Correct database_url, or the rights of the role." in checks["database"]["found"]
            assert "springhead doctor" not in json.dumps(checks)
    code, checks = examined(env={"SPRINGHEAD_DATABASE_URL": superuser})
    assert f"{urlsplit(superuser).port}/postgres cannot be reached: Connection refused." in checks["database"]["found"]
    assert "springhead doctor" not in json.dumps(checks)


def test_a_restored_copy_that_pushes_nothing_is_a_warning_until_it_is_adopted(tmp_path: Path) -> None:
    server = Server.on_copy(tmp_path / "data")
    where = ("--data", server.data, "--port", str(urlsplit(server.url).port))
    assert examined(*where)[1]["pushes"]["state"] == "ok"
    sql(
        server.dsn,
        "insert into push_home (system_identifier, database_oid) values (1, 1)"
        " on conflict (single) do update set system_identifier = 1",
    )  # as in a dump of another database

    code, checks = examined(*where)

    assert code == 0
    assert checks["pushes"]["state"] == "warning"
    assert "a copy of another one" in checks["pushes"]["found"]
    assert checks["pushes"]["advice"].endswith("springhead db adopt")
    assert springhead("db", "adopt", "--data", server.data).returncode == 0
    assert examined(*where)[1]["pushes"]["state"] == "ok"
    assert server.stop() == 0


@pytest.mark.parametrize(
    ("settings", "state"),
    [
        ({}, "ok"),
        ({"HOST": "0.0.0.0"}, "warning"),
        ({"ALLOWED_HOSTS": "crm.example.com"}, "warning"),
        ({"TRUSTED_PROXIES": "127.0.0.1"}, "warning"),
        ({"HOST": "0.0.0.0", "PUBLIC_URL": "https://crm.example.com"}, "ok"),
    ],
)
def test_a_public_server_without_a_public_url_is_a_warning(
    settings: dict[str, str], state: str, tmp_path: Path
) -> None:
    env = {f"SPRINGHEAD_{name}": value for name, value in settings.items()}
    _, checks = examined("--data", tmp_path / "fresh", env=env)
    assert checks["public URL"]["state"] == state
    assert ("https://crm.example.com" in checks["public URL"]["advice"]) == ("PUBLIC_URL" not in settings)


def test_wrong_settings_are_shown() -> None:
    code, checks = examined(env={"SPRINGHEAD_PORT": "x"})
    assert code == 1
    assert checks["settings"]["found"] == "SPRINGHEAD_PORT must be a whole number from 0 to 65,535, not 'x'."


@pytest.mark.parametrize(("free", "state"), [(2_000_000_000, "ok"), (500_000_000, "warning"), (1_000, "broken")])
def test_a_disk_that_is_almost_full_is_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, state: str
) -> None:
    usage = checkup.shutil.disk_usage(tmp_path)._replace(free=free)
    monkeypatch.setattr(checkup.shutil, "disk_usage", lambda _: usage)
    assert checkup._disk(tmp_path).state == state


def test_a_database_of_a_newer_version_is_broken_and_no_server_starts_on_it(tmp_path: Path) -> None:
    server = Server.on_copy(tmp_path / "data")
    run_sql(server.dsn, "insert into migration (number, name) values (9999, '9999_later.sql')")
    code, checks = examined("--data", server.data)
    assert code == 1
    assert checks["migrations"]["state"] == "broken"
    assert "newer Springhead" in springhead("company", "list", "--data", server.data).stderr
    assert server.stop() == 0
    done = springhead("serve", "--data", server.data, "--port", "0")
    assert done.returncode == 1
    assert done.stderr.endswith(
        "Error: The database was changed by a newer Springhead (migration 9999). Install that version.\n"
    )
    assert "Traceback" not in done.stderr
