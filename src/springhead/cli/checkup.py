"""The checks of `springhead doctor`, each with its finding and advice."""

import asyncio
import json
import os
import shutil
import time
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import click
import msgspec

from springhead.cli.database import address, connect, exists
from springhead.cli.encryption_key import LOST, existing_keys, key_file, lost_advice
from springhead.cli.failure import Failure, message_of
from springhead.cli.running_server import JobFigures, jobs_of, url_of
from springhead.cli.tables import printable, show
from springhead.postgres.socket_path import running_dsn
from springhead.settings import NO_PUBLIC_URL, Loaded, Settings, lacks_public_url, without_password
from springhead.store.companies.encryption import lost_companies
from springhead.store.database.background_jobs import Backlog, backlog
from springhead.store.database.box import Box
from springhead.store.database.health import Health, Migrations, health, lacking_rights, migrations
from springhead.store.database.key_file import KeyFileError
from springhead.store.database.migrate import ADVICE
from springhead.store.database.pool import Tx
from springhead.store.feed.pushes import is_copy
from springhead.wire import logs

OK, WARNING, BROKEN = "ok", "warning", "broken"
OLDEST_VERSION = 15
"""The oldest version of PostgreSQL that Springhead works with."""

LOW_DISK, NO_DISK = 1_000_000_000, 100_000_000
"""Bytes of free disk space below which the check warns, and below which it fails."""

CLOCK_SECONDS = 2.0
"""The largest difference in seconds between the clocks of this machine and of the database."""

LATE_SECONDS = 300
"""Seconds after which a job that should run every few seconds is late."""

NOT_RUNNING = "embedded, not running; started for this check"
SANE_YEARS = range(2025, 2100)
_STYLES = {OK: "green", WARNING: "bold yellow", BROKEN: "bold red"}


class Check(msgspec.Struct, frozen=True):
    """The result of a check: its state, what it found, and advice, which is empty if there is nothing to do."""

    name: str
    state: str
    finding: str = msgspec.field(name="found")
    advice: str = ""


async def examine(loaded: Loaded) -> list[Check]:
    """Runs all checks. Leaves out checks that an earlier broken check makes impossible."""
    settings = loaded.settings
    logs.configure("error", settings.log_format)
    checks = [_settings(loaded), _public_url(settings)]
    if settings.database_url is None:
        checks += [_folder(settings.data), _disk(settings.data)]
        running = running_dsn(settings.data) if checks[2].state == OK else None
        if running is None and not exists(settings):
            advice = "The first start of the server creates it. Run: springhead serve"
            return [*checks, Check("database", OK, "not created yet", advice)]
        state = "embedded, running" if running else NOT_RUNNING
    else:
        state = without_password(settings.database_url)
    try:
        async with _connected(settings) as connection:
            checks.append(Check("database", OK, state))
            sent = datetime.now(UTC)
            facts = await health(connection)
            local = sent + (datetime.now(UTC) - sent) / 2
            schema = await migrations(connection)
            lacking = "" if facts.unbound else await lacking_rights(connection, facts.role)
            checks += [*_database(facts, lacking), _migrations(schema), _clock(facts.now, local)]
            checks.append(_connections(facts, settings.pool_size))
            if not schema.pending:
                checks.append(_background_jobs(await backlog(Tx(connection)), is_served=state != NOT_RUNNING))
                checks.append(_pushes(is_copy=await is_copy(Tx(connection))))
                checks.append(await _secrets(settings, Tx(connection)))
    except Exception as cause:  # noqa: BLE001 - every error is a result of the check
        message = message_of(cause, advice="Correct this, then check again.") or f"{type(cause).__name__}: {cause}"
        checks.append(Check("database", BROKEN, message))
    if settings.database_url and settings.migrate_url:
        checks.append(await _migrator(settings.migrate_url))
    if state != NOT_RUNNING:
        checks.append(_jobs(await asyncio.to_thread(jobs_of, settings), url_of(settings), time.time()))
    return checks


def show_checks(checks: Sequence[Check], *, as_json: bool) -> None:
    """Prints the checks as a table, then the advice. On a terminal the states are green, yellow and red."""
    if as_json:
        click.echo(json.dumps([msgspec.to_builtins(check) for check in checks], indent=2, ensure_ascii=False))
        return
    rows = [{"check": check.name, "state": check.state, "found": check.finding} for check in checks]
    show(rows, as_json=False, styles=_STYLES)
    counts = {state: sum(check.state == state for check in checks) for state in _STYLES}
    for check in checks:
        if check.advice:
            click.secho(f"{check.name}: ", fg=_colour(check), bold=check.state != OK, nl=False)
            click.echo(printable(check.advice))
    if counts[BROKEN]:
        click.secho(f"{_counted(counts[BROKEN], 'thing is', 'things are')} broken.", fg="red", bold=True)
    elif counts[WARNING]:
        warnings = _counted(counts[WARNING], "warning", "warnings")
        click.secho(f"The server can work, with {warnings}.", fg="yellow", bold=True)
    else:
        click.secho("Everything is in order.", fg="green", bold=True)


def _colour(check: Check) -> str:
    return {OK: "green", WARNING: "yellow", BROKEN: "red"}[check.state]


def _counted(number: int, singular: str, plural: str) -> str:
    return f"{number} {singular if number == 1 else plural}"


@asynccontextmanager
async def _connected(settings: Settings) -> AsyncGenerator["asyncpg.Connection[asyncpg.Record]"]:
    async with address(settings, up_to_date=False) as dsn:
        connection = await connect(dsn)
        try:
            yield connection
        finally:
            await connection.close(timeout=5)


def _settings(loaded: Loaded) -> Check:
    changed = [name for name, origin in loaded.origins.items() if origin != "default"]
    finding = f"{len(changed)} changed: {', '.join(changed)}" if changed else "all at their defaults"
    if visible := loaded.visible_passwords():
        advice = "Every user can see a password in a flag. Put it into "
        advice += f"{' and '.join(setting.variable for setting in visible)}, or the settings file."
        return Check("settings", WARNING, finding, advice)
    return Check("settings", OK, finding)


def _public_url(settings: Settings) -> Check:
    finding = settings.public_url or f"not in these settings: {NO_PUBLIC_URL}"
    advice = "" if settings.public_url else "Before you use them, set public_url, such as https://crm.example.com"
    return Check("public URL", WARNING if lacks_public_url(settings) else OK, finding, advice)


def _existing(path: Path) -> Path:
    """Returns the path, or the nearest folder above it that exists."""
    path = path.absolute()
    return next(candidate for candidate in (path, *path.parents) if candidate.exists())


def _folder(data: Path) -> Check:
    folder = _existing(data)
    if not folder.is_dir():
        return Check("data folder", BROKEN, f"{folder} is not a folder", "Name another folder with --data.")
    if not os.access(folder, os.W_OK | os.X_OK):
        advice = "Make this user the owner of the folder (chown), or name another folder with --data."
        return Check("data folder", BROKEN, f"this user may not write to {folder}", advice)
    return Check("data folder", OK, str(data.absolute()))


def _disk(data: Path) -> Check:
    free = shutil.disk_usage(_existing(data)).free
    finding = f"{free / 1e9:,.1f} GB free"
    if free >= LOW_DISK:
        return Check("disk", OK, finding)
    advice = "Free some space. A full disk stops all writes."
    return Check("disk", BROKEN if free < NO_DISK else WARNING, finding, advice)


def _database(facts: Health, lacking: str) -> Iterable[Check]:
    new_enough = facts.version >= OLDEST_VERSION
    yield Check(
        "version",
        OK if new_enough else BROKEN,
        f"PostgreSQL {facts.version_text}, {facts.size / 1e6:,.1f} MB of data",
        "" if new_enough else f"Springhead needs PostgreSQL {OLDEST_VERSION} or later. Upgrade the database.",
    )
    yield _role(facts, lacking)
    yield _text(facts)
    unsafe = [name for name in ("fsync", "full_page_writes") if getattr(facts, name) != "on"]
    unsafe += ["synchronous_commit"] if facts.synchronous_commit == "off" else []
    finding = ", ".join(
        f"{name} {getattr(facts, name)}" for name in ("fsync", "synchronous_commit", "full_page_writes")
    )
    advice = f"A crash can lose writes that were answered. Set {' and '.join(unsafe)} to on in postgresql.conf."
    yield Check("durability", WARNING if unsafe else OK, finding, advice if unsafe else "")
    if facts.invalid_indexes:
        names = ", ".join(facts.invalid_indexes)
        rebuild = " ".join(f"reindex index concurrently {name};" for name in facts.invalid_indexes)
        advice = f"PostgreSQL does not use them. Rebuild them: {rebuild}"
        yield Check("indexes", WARNING, f"invalid: {names}", advice)
    else:
        yield Check("indexes", OK, "all valid")


def _role(facts: Health, lacking: str) -> Check:
    if facts.unbound:
        advice = f"Row-level security, a check that separates companies, does not apply to this role. {ADVICE}"
        return Check("role", BROKEN, facts.role, advice)
    if lacking:
        finding = f"{facts.role} owns tables or lacks rights"
        return Check(
            "role", WARNING, finding, f"See docs/operating.md, From one role to two. As superuser, run: {lacking}"
        )
    if facts.can_become_owner:
        advice = (
            "So it could switch off row-level security, a check that separates companies. As superuser, take the right "
            f"to create roles and its roles away from {facts.role} (alter role ... nocreaterole, revoke), and give the "
            "owner's address in SPRINGHEAD_MIGRATE_URL."
        )
        return Check("role", WARNING, f"{facts.role} can make itself the owner of the tables", advice)
    return Check("role", OK, facts.role)


async def _migrator(dsn: str) -> Check:
    try:
        await (await connect(dsn, "migrate_url")).close(timeout=5)
    except Failure as cause:
        return Check("migrations' address", BROKEN, str(cause))
    return Check("migrations' address", OK, without_password(dsn))


def _text(facts: Health) -> Check:
    finding = f"{facts.encoding}, character type {facts.ctype}"
    advice = "Create the database again with: create database springhead template template0 encoding 'UTF8' "
    advice += "locale_provider icu icu_locale 'und' (from PostgreSQL 17: locale_provider builtin locale 'C.UTF-8')"
    if facts.encoding != "UTF8":
        return Check("text", BROKEN, finding, advice)
    if not facts.lowers:
        finding += "; upper and lower case work for A to Z only"
        return Check("text", WARNING, finding, f"Searches do not ignore the case of letters outside ASCII. {advice}")
    return Check("text", OK, finding)


def _migrations(state: Migrations) -> Check:
    if state.newer:
        return Check(
            "migrations", BROKEN, f"changed by a newer Springhead ({state.newer[-1]})", "Install that version."
        )
    if state.pending:
        advice = "The next start of the server applies them. To apply them now, run: springhead db migrate"
        return Check("migrations", WARNING, f"not applied: {', '.join(state.pending)}", advice)
    return Check("migrations", OK, "up to date")


def _clock(database: datetime, local: datetime) -> Check:
    difference = abs(database - local)
    finding = (
        f"{local:%Y-%m-%d %H:%M:%S} UTC, {difference / timedelta(milliseconds=1):,.0f} ms from the database's clock"
    )
    if local.year not in SANE_YEARS or database.year not in SANE_YEARS:
        return Check("clock", BROKEN, finding, "The year is wrong. Set the clock, and keep it correct with NTP.")
    if difference > timedelta(seconds=CLOCK_SECONDS):
        return Check(
            "clock", WARNING, finding, "Keep both clocks correct with NTP. Rate limits and times depend on them."
        )
    return Check("clock", OK, finding)


def _connections(facts: Health, pool_size: int) -> Check:
    finding = f"{facts.connections} of {facts.max_connections} in use; the server uses up to {pool_size}"
    if pool_size > facts.max_connections:
        advice = f"Set pool_size below {facts.max_connections}, or raise max_connections in postgresql.conf."
        return Check("connections", BROKEN, finding, advice)
    return Check("connections", OK, finding)


def _background_jobs(backlog: Backlog, *, is_served: bool) -> Check:
    name, finding = "background jobs", f"{backlog.due:,} due"
    if backlog.failing:
        finding += f", failing: {', '.join(backlog.failing)} ({backlog.failures:,} times in a row at most)"
        advice = "They are retried every five minutes. See 'background job failed' in the server's log."
        return Check(name, WARNING, finding, advice)
    if is_served and backlog.late > LATE_SECONDS:
        finding += f", for up to {backlog.late / 60:,.0f} minutes"
        return Check(
            name,
            WARNING,
            finding,
            "Only a server runs them. Start the server, or look for errors of its jobs in its log.",
        )
    return Check(name, OK, finding)


def _pushes(*, is_copy: bool) -> Check:
    if is_copy:
        advice = "If the original is stopped for good, run: springhead db adopt"
        return Check("pushes", WARNING, "nothing is pushed: this database is a copy of another one", advice)
    return Check("pushes", OK, "changes of leads are pushed from this database")


async def _secrets(settings: Settings, tx: Tx) -> Check:
    name = "secrets"
    try:
        keys = existing_keys(settings)
    except KeyFileError as cause:
        return Check(name, BROKEN, "the encryption key cannot be used", str(cause))
    place = "encryption_key" if settings.encryption_key else str(key_file(settings).path)
    if lost := await lost_companies(tx, Box(lambda: keys).key_ids()):
        finding = f"{_counted(len(lost), 'company has', 'companies have')} secrets under a key that is not in {place}"
        return Check(name, WARNING, finding, f"Until it is: {LOST}. To go on, {lost_advice(settings)}.")
    if not keys:
        return Check(name, OK, f"the next start of the server creates their key, {place}")
    if len(keys) > 1:
        advice = "Once every server has both keys, run: springhead db rotate-key"
        return Check(name, WARNING, f"a change of the key is under way: {place} has {len(keys)} keys", advice)
    return Check(name, OK, f"encrypted with the key in {place}; keep a copy of it apart from the backups")


def _jobs(jobs: Mapping[str, JobFigures] | None, url: str, now: float) -> Check:
    name = "jobs"
    if jobs is None:
        advice = "To check the jobs of a server, give its address with --host and --port."
        return Check(name, OK, f"no server answers at {url}", advice)
    late = [job for job, figures in jobs.items() if figures.up and now - figures.last_success > LATE_SECONDS]
    problems = [f"{job} died and waits for its restart" for job, figures in jobs.items() if not figures.up]
    problems += [f"{job} is {(now - jobs[job].last_success) / 60:,.0f} minutes late" for job in late]
    problems += [
        f"{job} died {figures.restarts:,.0f} times since the server started"
        for job, figures in jobs.items()
        if figures.up and figures.restarts
    ]
    if not problems:
        return Check(name, OK, f"all {len(jobs)} run")
    return Check(name, WARNING, "; ".join(problems), "See 'job died' in the server's log, and report the error.")
