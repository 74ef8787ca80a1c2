"""The embedded PostgreSQL: real starts, real kills, on folders of its own."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import asyncpg
import pytest

from springhead.jobs.runner import Job, Runner
from springhead.postgres import socket_path
from springhead.postgres.account import Account, choose_account
from springhead.postgres.binaries import binaries
from springhead.postgres.errors import EmbeddedError
from springhead.postgres.server import EmbeddedPostgres
from springhead.postgres.socket_path import (
    SOCKET_PATH_LIMIT,
    make_socket_directory,
    remove_socket_directory,
    running_dsn,
    socket_directory,
    superuser_dsn,
)
from stopwatch import Stopwatch

pytestmark = pytest.mark.timeout(60)

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
with_setpriv = pytest.mark.skipif(not shutil.which("setpriv"), reason="needs util-linux's setpriv")

OWNER = """
import asyncio, pathlib, sys, time
from springhead.postgres.errors import EmbeddedError
from springhead.postgres.server import EmbeddedPostgres
server = EmbeddedPostgres(pathlib.Path(sys.argv[1]))
try:
    server.launch()
    print("launched", flush=True)
    asyncio.run(server.ready())
    print("ready", flush=True)
    time.sleep(60)
except EmbeddedError as error:
    print("refused", error, flush=True)
"""
"""Another process with the folder's server, to be killed."""


@contextmanager
def open_folder() -> Generator[Path]:
    """A folder that every user may enter, unlike pytest's folders."""
    place = Path(tempfile.mkdtemp(prefix="springhead-test-"))
    place.chmod(0o755)
    yield place
    assert wait_for(lambda: not processes(place), 10)
    shutil.rmtree(place)


@pytest.fixture
def place() -> Generator[Path]:
    with open_folder() as place:
        yield place


@pytest.fixture(scope="module")
def used() -> Generator[Path]:
    with open_folder() as place:
        with started(place / "data"):
            pass
        yield place / "data"


@pytest.fixture
def data(used: Path) -> Path:
    """A data folder after its first start. The tests share it, since initdb takes a second."""
    assert wait_for(lambda: not processes(used), 10)
    return used


@contextmanager
def started(data: Path) -> Generator[tuple[EmbeddedPostgres, str]]:
    server = EmbeddedPostgres(data)
    try:
        server.launch()
        yield server, asyncio.run(server.ready())
    finally:
        server.stop()


@contextmanager
def owner(data: Path, until: str = "ready", **environment: str) -> Generator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", OWNER, str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | environment) as process:
        assert process.stdout
        try:
            for line in process.stdout:
                if line.startswith(until):
                    break
            else:
                pytest.fail(f"the other process never got as far as '{until}'")
            yield process
        finally:
            process.kill()


def ask(dsn: str, question: str, *parameters: object) -> object:
    async def asking() -> object:
        connection = await asyncpg.connect(dsn)
        try:
            return await connection.fetchval(question, *parameters)
        finally:
            await connection.close()

    return asyncio.run(asking())


def processes(data: Path) -> list[int]:
    """The processes of the PostgreSQL in the folder: the cluster is their working directory."""
    pids: list[int] = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and (entry / "cwd").readlink().is_relative_to(data):
                pids.append(int(entry.name))
    return pids


def postmaster(data: Path) -> int:
    return int((data / "postgres" / "postmaster.pid").read_text().split()[0])


def wait_for(true: Callable[[], bool], seconds: float) -> bool:
    watch = Stopwatch()
    while not true():
        if time.monotonic() - watch.begun > seconds and watch.seconds > seconds:
            return False
        time.sleep(0.02)
    return True


def test_a_restart_keeps_the_data(place: Path) -> None:
    data = place / "deep" / "data"

    for text in ("1", "2"):
        with started(data) as (_, dsn):
            if text == "1":
                ask(superuser_dsn(data), "create table kept (text text)")
                ask(superuser_dsn(data), "grant select, insert on kept to springhead")
            ask(dsn, "insert into kept values ($1)", text)
            kept = ask(dsn, "select string_agg(text, ',' order by text) from kept")

    assert kept == "1,2"


def test_nothing_is_left_running_after_stop(data: Path) -> None:
    with started(data) as (server, dsn):
        assert running_dsn(data) == dsn
        assert len(processes(data)) > 3

    assert processes(data) == []
    assert running_dsn(data) is None
    server.stop()  # a second time does no harm

    server.launch()  # and it can be started again
    assert ask(asyncio.run(server.ready()), "select 1") == 1
    server.stop()
    assert processes(data) == []


def test_postgresql_is_in_a_session_of_its_own(data: Path) -> None:
    with started(data):
        assert os.getsid(postmaster(data)) != os.getsid(0)  # Ctrl-C in our terminal must not reach PostgreSQL


def test_neither_role_has_special_rights_and_the_servers_role_owns_nothing(data: Path) -> None:
    with started(data) as (_, dsn):
        special = (
            "select string_agg(rolname, ' ' order by rolname) from pg_roles"
            " where rolname like 'springhead%' and not (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb)"
        )
        assert ask(dsn, special) == "springhead springhead_owner"
        owner = "select datdba::regrole::text from pg_database where datname = current_database()"
        assert ask(dsn, owner) == "springhead_owner"
        owned = "select count(*) from pg_shdepend where refobjid = user::regrole and deptype = 'o'"
        assert ask(dsn, owned) == 0
        assert ask(dsn, "select pg_has_role(user, 'springhead_owner', 'member')") is False


def test_texts_of_all_scripts_are_stored_and_compared(data: Path) -> None:
    with started(data) as (_, dsn):
        assert ask(dsn, "select lower('ÄÖŞ ΩЖ')") == "äöş ωж"
        assert ask(dsn, "select lower('İ') in ('i', 'i̇')") is True  # simple and full case mapping
        kind = "select (datlocprovider, datlocale)::text from pg_database where datname = 'springhead'"
        assert ask(dsn, kind) == "(b,C.UTF-8)"
        owner_dsn = socket_path.dsn(data, user="springhead_owner")
        ask(owner_dsn, "create extension pg_trgm")  # a trusted one: the owner may
        assert ask(dsn, "select similarity('Жанна', 'Жанна')") == 1  # nothing dropped
        ask(owner_dsn, "drop extension pg_trgm")


def test_writes_are_durable_and_the_log_holds_no_data(data: Path) -> None:
    with started(data) as (_, dsn):
        for name in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
            assert ask(dsn, "select current_setting($1)", name) == "on"
        ask(superuser_dsn(data), "create table person (email text primary key)")
        ask(superuser_dsn(data), "grant select, insert on person to springhead")
        ask(dsn, "insert into person values ($1)", "ada@example.org")
        with pytest.raises(asyncpg.UniqueViolationError):
            ask(dsn, "insert into person values ($1)", "ada@example.org")
        with pytest.raises(asyncpg.DataError):
            ask(dsn, "select cast('secret' || email as int) from person")
        ask(superuser_dsn(data), "drop table person")

    log = (data / "postgres.log").read_text()
    assert "ready to accept connections" in log
    assert "ada@" not in log
    assert "secret" not in log


def test_a_second_server_on_the_folder_is_refused_and_says_who_has_it(data: Path) -> None:
    with owner(data) as other, pytest.raises(EmbeddedError) as refused:
        EmbeddedPostgres(data).launch()

    assert f"(pid {other.pid}) is already running on {data}" in str(refused.value)
    assert "--data" in str(refused.value)


def test_a_postgresql_that_starts_again_keeps_a_socket_outside_a_data_folder_with_a_long_path(place: Path) -> None:
    data = place / ("long" * 25) / "data"
    data.mkdir(parents=True)
    account = Account()

    first = make_socket_directory(data, account)
    (first / ".s.PGSQL.5432").touch()
    again = make_socket_directory(data, account)
    again.chmod(0o777)  # as if somebody else had made it after /tmp was cleaned
    other = make_socket_directory(data, account)

    assert again == first
    assert list(first.glob("*")) == []
    assert other != first
    assert other.stat().st_mode & 0o077 == 0
    remove_socket_directory(data)
    assert not other.exists()


def test_a_killed_postgresql_comes_back_under_the_same_dsn(data: Path) -> None:
    async def story(server: EmbeddedPostgres) -> list[float]:
        dsn = await server.ready()
        runner = Runner([Job(name="postgresql", turn=server.supervise)])
        runner.start()
        away: list[float] = []
        for _ in range(3):
            bystander = await asyncpg.connect(dsn)
            work = asyncio.create_task(bystander.execute("do 'begin loop end loop; end'"))  # never ends
            await asyncio.sleep(0.1)
            os.kill(postmaster(data), signal.SIGKILL)
            start = time.monotonic()
            while True:
                with suppress(OSError, asyncpg.PostgresError):
                    connection = await asyncpg.connect(dsn)
                    if await connection.fetchval("select pg_postmaster_start_time() > now() - interval '5 s'"):
                        await connection.close()
                        break
                await asyncio.sleep(0.02)
            away.append(time.monotonic() - start)
            with pytest.raises((OSError, asyncpg.PostgresError)):
                await work
        await runner.stop()
        return away

    server = EmbeddedPostgres(data)
    try:
        server.launch()
        away = asyncio.run(asyncio.wait_for(story(server), 40))
    finally:
        server.stop()

    print("seconds away:", away)
    assert max(away) < 8
    assert processes(data) == []


@with_setpriv
def test_postgresql_ends_when_its_server_is_killed(data: Path) -> None:
    with owner(data) as other:
        pid = postmaster(data)
        other.kill()
        assert wait_for(lambda: not processes(data), 5)

    with started(data):
        assert postmaster(data) != pid


@with_setpriv
def test_a_folder_can_be_started_right_after_its_server_was_killed(data: Path) -> None:
    for _ in range(3):
        with owner(data) as other:
            other.kill()
            other.wait()
            with started(data) as (_, dsn):
                assert ask(dsn, "select 1") == 1

    assert processes(data) == []


def test_a_folder_can_be_started_after_server_and_postgresql_were_both_killed_at_work(data: Path) -> None:
    async def busy() -> None:
        connection = await asyncpg.connect(running_dsn(data))
        work = asyncio.create_task(connection.execute("do 'begin loop end loop; end'"))
        await asyncio.sleep(0.1)
        pid = postmaster(data)
        other.kill()
        with suppress(ProcessLookupError):  # PostgreSQL stops by itself when its server is gone
            os.kill(pid, signal.SIGKILL)
        with suppress(OSError, asyncpg.PostgresError):
            await asyncio.wait_for(work, 0.05)  # it would run without end
        connection.terminate()

    with owner(data) as other:
        asyncio.run(busy())
        other.wait()

        with started(data) as (_, dsn):
            assert ask(dsn, "select 1") == 1

    assert processes(data) == []


def test_a_postgresql_that_outlived_its_server_is_stopped_first(data: Path) -> None:
    with owner(data, PATH="/nonexistent") as other:  # no setpriv there, as on macOS
        pid = postmaster(data)
        other.kill()
        other.wait()
        time.sleep(0.3)
        assert processes(data)

        with started(data):
            assert postmaster(data) != pid
            assert pid not in processes(data)

    assert processes(data) == []


@pytest.mark.parametrize("seconds", [0.02, 0.5])
def test_a_first_start_that_was_killed_does_not_disturb_the_next_one(place: Path, seconds: float) -> None:
    with owner(place / "data", until="launched") as other:
        time.sleep(seconds)
        other.kill()
        other.wait()

        with started(place / "data") as (_, dsn):
            assert ask(dsn, "select 1") == 1

    assert processes(place) == []
    assert list((place / "data").glob("postgres.new-*")) == []


def test_a_first_start_killed_between_roles_and_database_is_completed(data: Path) -> None:
    with started(data):
        ask(socket_path.dsn(data, user="postgres", database="postgres"), "drop database springhead")

    with started(data) as (_, dsn):
        assert ask(dsn, "select current_database()") == "springhead"


def test_a_pid_file_that_names_another_process_is_ignored(data: Path) -> None:
    with started(data):
        old = (data / "postgres" / "postmaster.pid").read_text().split("\n")
    keeper = (data / "postgres").stat()
    user = {"user": keeper.st_uid, "group": keeper.st_gid, "extra_groups": ()} if os.geteuid() == 0 else {}
    with subprocess.Popen(["/bin/sleep", "60"], cwd="/", **user) as stranger:
        stale = data / "postgres" / "postmaster.pid"
        stale.write_text("\n".join([str(stranger.pid), *old[1:]]))
        os.chown(stale, keeper.st_uid, keeper.st_gid)
        try:
            with started(data) as (_, dsn):
                assert ask(dsn, "select 1") == 1
            assert stranger.poll() is None
        finally:
            stranger.kill()


@pytest.mark.parametrize("name", ["d" * 110, "a, b: \"c' %41 é"], ids=["long", "strange"])
def test_a_folder_with_any_path_works(data: Path, place: Path, name: str) -> None:
    moved = data.rename(place / name)
    try:
        with started(moved) as (_, dsn):
            assert ask(dsn, "select 1") == 1
            elsewhere = socket_directory(moved)
            assert len(str(elsewhere)) < SOCKET_PATH_LIMIT
            assert elsewhere.stat().st_mode & 0o077 == 0
            assert running_dsn(moved) == dsn

        assert not elsewhere.exists()
        assert running_dsn(moved) is None
    finally:
        moved.rename(data)


@as_root
@with_setpriv
def test_root_can_use_a_folder_that_is_closed_to_everybody_else(data: Path, place: Path) -> None:
    (place / "closed").mkdir(mode=0o700)
    moved = data.rename(place / "closed" / "data")
    try:
        with started(moved) as (_, dsn):
            assert ask(dsn, "select 1") == 1
            status = Path(f"/proc/{postmaster(moved)}/status").read_text()

        with owner(moved) as other:
            other.kill()
            assert wait_for(lambda: not processes(moved), 5)  # the death signal survived the change of user
    finally:
        moved.rename(data)

    assert (place / "closed").stat().st_mode & 0o777 == 0o700
    assert data.stat().st_mode & 0o777 == 0o701
    effective = next(line for line in status.splitlines() if line.startswith("CapEff")).split()[1]
    assert int(effective, 16) == 1 << 2  # CAP_DAC_READ_SEARCH alone
    assert "Uid:\t0" not in status


def test_only_the_user_of_the_server_and_root_can_connect(data: Path) -> None:
    (data / "postgres" / "pg_hba.conf").write_text("local all all trust\nhost all all 127.0.0.1/32 trust\n")  # earlier

    with started(data):
        rules = "select string_agg(concat_ws(' ', type, database, user_name, address, auth_method, options), '; ')"
        assert ask(superuser_dsn(data), f"{rules} from pg_hba_file_rules where error is null") == (
            "local {all,replication} {all} peer {map=springhead}; host {all,replication} {all} all reject"
        )
        assert ask(superuser_dsn(data), "select count(*) from pg_hba_file_rules where error is not null") == 0
        me = pwd.getpwuid(os.geteuid()).pw_name
        users = ask(superuser_dsn(data), "select string_agg(distinct sys_name, ' ') from pg_ident_file_mappings")
        assert set(str(users).split()) == {me, "root"}

    for name in ("pg_hba.conf", "pg_ident.conf"):
        status = (data / "postgres" / name).stat()
        assert (status.st_uid, status.st_mode & 0o777) == ((data / "postgres").stat().st_uid, 0o600)


@as_root
def test_for_root_other_processes_of_postgresqls_user_cannot_connect(data: Path) -> None:
    with started(data) as (_, dsn):
        user = (data / "postgres").stat()
        for role in ("postgres", "springhead_owner", "springhead"):
            other = subprocess.run(
                [
                    "/usr/bin/env",
                    "-i",
                    binaries() / "psql",
                    dsn.replace("//springhead@", f"//{role}@"),
                    "-c",
                    "select 1",
                ],
                cwd="/",
                capture_output=True,
                text=True,
                user=user.st_uid,
                group=user.st_gid,
                extra_groups=(),
                check=False,
            )
            assert "Peer authentication failed" in other.stderr
        assert ask(dsn, "select 1") == 1


@as_root
def test_root_runs_postgresql_as_an_account_of_its_own_if_there_is_one(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = pwd.getpwnam("nobody")  # stands for a user springhead of the machine
    monkeypatch.setattr(pwd, "getpwnam", {"springhead": own, "postgres": pwd.getpwuid(1)}.__getitem__)

    account, _ = choose_account(place, binaries() / "postgres", place / "postgres")

    assert (account.uid, account.gid) == (own.pw_uid, own.pw_gid)


@as_root
def test_a_link_in_the_cluster_is_replaced_and_not_followed(data: Path, place: Path) -> None:
    (place / "precious").write_text("kept")
    ident = data / "postgres" / "pg_ident.conf"
    ident.unlink()
    ident.symlink_to(place / "precious")

    with started(data) as (_, dsn):
        assert ask(dsn, "select 1") == 1

    assert (place / "precious").read_text() == "kept"
    assert (place / "precious").stat().st_uid == 0
    assert not ident.is_symlink()


@as_root
def test_root_is_told_what_to_do_when_no_other_user_can_reach_the_folder(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "closed").mkdir(mode=0o700)
    monkeypatch.setenv("PATH", "/nonexistent")  # no setpriv

    with pytest.raises(EmbeddedError, match="--data /var/lib/springhead"):
        EmbeddedPostgres(place / "closed" / "data").launch()


def test_a_cluster_of_another_version_is_refused_and_unchanged(data: Path) -> None:
    (data / "postgres" / "PG_VERSION").write_text("13\n")

    with pytest.raises(EmbeddedError, match="created by PostgreSQL 13, and this Springhead includes 18"):
        EmbeddedPostgres(data).launch()

    (data / "postgres" / "PG_VERSION").write_text("18\n")
    with started(data):
        pass


def test_a_broken_cluster_is_an_error_that_names_the_log(data: Path) -> None:
    control = data / "postgres" / "global" / "pg_control"
    control.rename(data / "pg_control")

    with pytest.raises(EmbeddedError, match=r"pg_control.* See .*postgres\.log"), started(data):
        pass
    assert processes(data) == []

    (data / "pg_control").rename(control)
    with started(data):
        pass


def test_a_file_in_place_of_the_folder_is_an_error_in_words(place: Path) -> None:
    (place / "data").write_text("not a folder")

    with pytest.raises(EmbeddedError, match="cannot be used"):
        EmbeddedPostgres(place / "data").launch()


def test_a_large_log_is_moved_aside(data: Path) -> None:
    with (data / "postgres.log").open("ab") as log:
        log.truncate(11 * 1024 * 1024)

    with started(data):
        assert (data / "postgres.log").stat().st_size < 100_000
        assert (data / "postgres.log.1").exists()
