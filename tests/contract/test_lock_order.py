"""Transactions lock rows in one order (docs/lock-order.md), so no two of them wait for each other."""

import re
from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from busy_company import live
from examples import prepare, with_ids
from lock_log import KEY_SHARE, MODES, NO_KEY_UPDATE, SHARE, UPDATE, Lock
from locks import Recorder
from springhead.rpc.context import Context
from springhead.rpc.method import REGISTRY, Writes
from support import Company, Server, new_companies

PAGE = Path(__file__).parents[2] / "docs" / "lock-order.md"

CONFLICTS: Mapping[str, frozenset[str]] = {
    KEY_SHARE: frozenset({UPDATE}),
    SHARE: frozenset({NO_KEY_UPDATE, UPDATE}),
    NO_KEY_UPDATE: frozenset({SHARE, NO_KEY_UPDATE, UPDATE}),
    UPDATE: frozenset(MODES),
}
"""The modes that a lock of each mode waits for, as PostgreSQL documents them."""

GUARDS: Mapping[str, frozenset[str]] = {
    "call": frozenset({"lead", "deleted_lead"}),
    "upload": frozenset({"lead", "deleted_lead"}),
    "event": frozenset({"lead", "pass"}),
    "merged_lead": frozenset({"lead", "deleted_lead"}),
    "lead_key": frozenset({"lead"}),
    "unique_value": frozenset({"lead", "pass"}),
    "deleted_lead_part": frozenset({"lead", "deleted_lead", "opportunity"}),
    "opportunity_lead": frozenset({"lead", "opportunity"}),
    "list_member": frozenset({"list", "pass"}),
    "page_view": frozenset({"visitor"}),
}
"""Tables whose rows are locked by transactions alone that have locked the row that they belong to. They never wait."""

EXAMPLES = [
    (method, example)
    for method in REGISTRY.values()
    if isinstance(method.result, Writes)
    for example in method.examples
]


class Step(NamedTuple):
    """A transaction that held a lock in one table took a lock in another."""

    held: str
    held_mode: str
    taken: str
    taken_mode: str

    def __str__(self) -> str:
        return f"{self.held} ({self.held_mode}), then {self.taken} ({self.taken_mode})"


Steps = Mapping[Step, tuple[str, str]]
"""Steps, each with the two statements that made it once."""


def name(lock: Lock) -> str:
    """The table. For `shift`, which has a row for each noun, with the key of the row."""
    return f"{lock.table} ({lock.key})" if lock.table == "shift" else lock.table


def waiting(locks: Sequence[Lock]) -> Iterator[Lock]:
    """The locks for which a transaction may have to wait: it holds no lock of that strength on the row yet."""
    modes: dict[tuple[int, ...], int] = {}
    for lock in locks:
        strength = MODES.index(lock.mode)
        if modes.get(lock.row, -1) < strength:
            modes[lock.row] = strength
            yield lock


def steps_of(transactions: Sequence[Sequence[Lock]]) -> Steps:
    steps: dict[Step, tuple[str, str]] = {}
    for locks in transactions:
        held: dict[tuple[str, str], str] = {}
        for lock in waiting(locks):
            never_waits = lock.table in GUARDS and (lock.table != "unique_value" or not lock.inserts)
            for (table, mode), statement in held.items():
                if table != name(lock) and not never_waits:
                    steps.setdefault(Step(table, mode, name(lock), lock.mode), (statement, lock.statement))
            held.setdefault((name(lock), lock.mode), lock.statement)
    return steps


def circle(steps: Steps) -> list[Step]:
    """Steps of transactions that can deadlock with each other, or no steps.

    A transaction that takes a lock waits for those that hold one on the same row in a conflicting mode.
    """
    followed_by = {
        step: [other for other in steps if other.held == step.taken and other.held_mode in CONFLICTS[step.taken_mode]]
        for step in steps
    }
    for first in steps:
        paths, seen = [[first]], {first}
        while paths:
            path = paths.pop(0)
            if first in followed_by[path[-1]]:
                return path
            following = [step for step in followed_by[path[-1]] if step not in seen]
            seen.update(following)
            paths += [[*path, step] for step in following]
    return []


def described(steps: Sequence[Step], examples: Steps) -> list[str]:
    """Steps with their statements."""
    return [f"{step}:\n  {short(examples[step][0])}\n  {short(examples[step][1])}" for step in steps]


def short(statement: str) -> str:
    return " ".join(statement.split())[:400]


def unsorted(transactions: Sequence[Sequence[Lock]]) -> Iterator[str]:
    """Statements that lock several rows of a table, but not in the order of their keys."""
    for locks in transactions:
        keys: dict[tuple[str, int, str], list[int | str]] = defaultdict(list)
        for lock in waiting(locks):
            if lock.key is not None and lock.table not in GUARDS and lock.table != "shift":
                keys[lock.table, lock.number, lock.statement].append(lock.key)
        for (table, _, statement), locked in keys.items():
            if locked != sorted(locked):  # type: ignore[type-var]
                yield f"{table} {locked}: {short(statement)}"


def unguarded(transactions: Sequence[Sequence[Lock]]) -> Iterator[str]:
    """Locks of dependent rows, taken by a transaction that has not locked the rows that they belong to."""
    for locks in transactions:
        tables: set[str] = set()
        for lock in locks:
            if lock.table in GUARDS and not tables & GUARDS[lock.table]:
                yield f"{lock.table} with {sorted(tables)}: {short(lock.statement)}"
            tables.add(lock.table)


@pytest.fixture(scope="module")
def recorder(server: Server) -> Generator[Recorder]:
    recorder = Recorder(server)
    yield recorder
    recorder.close()


@pytest.fixture(scope="module")
def transactions(server: Server, recorder: Recorder) -> list[list[Lock]]:
    """The transactions of the examples of all writes, each in its own company, and of all work of a busy company."""
    *companies, busy_company = new_companies(server, len(EXAMPLES) + 1)
    for (method, example), company in zip(EXAMPLES, companies, strict=True):
        inside = recorder.inside(company)
        inside.envelope(method.name, with_ids(example.params, prepare(inside, example.given)))
    live(recorder.inside(busy_company), recorder.run)
    return recorder.transactions()


def test_no_transactions_can_wait_for_each_other(transactions: list[list[Lock]]) -> None:
    steps = steps_of(transactions)

    assert len(steps) > 100
    assert not (problems := described(circle(steps), steps)), "\n".join(problems)


def test_transactions_lock_tables_in_the_order_of_the_page(transactions: list[list[Lock]]) -> None:
    """Except shared locks on referenced objects: only deletes conflict with them."""
    items = re.findall(r"^\d+\. (.*?)(?=^\d+\. |^$)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    places = {table: number for number, item in enumerate(items) for table in re.findall(r"`(\w+(?: \(\w+\))?)`", item)}
    steps = {step: texts for step, texts in steps_of(transactions).items() if step.taken_mode != KEY_SHARE}

    assert {step.taken for step in steps} <= places.keys()
    wrong = [step for step in steps if step.held in places and places[step.held] > places[step.taken]]
    assert not (problems := described(wrong, steps)), "\n".join(problems)


def test_a_statement_locks_rows_in_the_order_of_their_keys(transactions: list[list[Lock]]) -> None:
    assert list(unsorted(transactions)) == []


def test_dependent_rows_are_locked_after_the_rows_that_they_belong_to(transactions: list[list[Lock]]) -> None:
    assert list(unguarded(transactions)) == []


# The checks themselves


def test_opposite_orders_of_two_transactions_are_found(
    recorder: Recorder, transactions: list[list[Lock]], company: Company
) -> None:
    inside = recorder.inside(company)
    inside.create({}, {})
    inside.make("createAccounts", {"accountName": "A"})
    leads = "select id from lead where company_id = $1 order by id desc for update"
    accounts = "select id from account where company_id = $1 order by id for no key update"

    async def lock(context: Context, *statements: Any) -> None:
        async with context.tx() as tx, tx.atomic():
            for statement in statements:
                await tx.rows(statement, context.company.id)

    recorder.run(company, lambda context: lock(context, leads, accounts))
    recorder.run(company, lambda context: lock(context, accounts, leads))

    both = recorder.transactions()[-2:]
    assert len(transactions) > len(both)
    steps = steps_of(both)
    assert described(circle(steps), steps) == [
        f"lead (update), then account (no key update):\n  {leads}\n  {accounts}",
        f"account (no key update), then lead (update):\n  {accounts}\n  {leads}",
    ]
    assert [line.partition(" ")[0] for line in unsorted(both)] == ["lead", "lead"]


def test_a_lock_has_its_own_mode_if_another_transaction_locks_the_row_too(
    recorder: Recorder, transactions: list[list[Lock]], company: Company
) -> None:
    inside = recorder.inside(company)
    inside.create({})

    async def lock_twice(context: Context) -> None:
        async with context.tx() as first, first.atomic(), context.tx() as second, second.atomic():
            await first.rows("select id from lead where company_id = $1 order by id for share", context.company.id)
            await second.rows("select id from lead where company_id = $1 order by id for key share", context.company.id)

    recorder.run(company, lock_twice)

    assert transactions
    assert [[(lock.table, lock.mode) for lock in locks] for locks in recorder.transactions()[-2:]] == [
        [("lead", SHARE)],
        [("lead", KEY_SHARE)],
    ]


def test_shared_locks_and_repeated_locks_of_a_row_make_no_circle() -> None:
    def locks(*several: tuple[str, str]) -> list[Lock]:
        return [Lock(table, (len(table),), None, mode, False, 0, "") for table, mode in several]

    def problems(*transactions: list[Lock]) -> list[Step]:
        return circle(steps_of(transactions))

    assert problems(locks(("lead", UPDATE), ("account", UPDATE)), locks(("account", UPDATE), ("lead", KEY_SHARE)))
    assert not problems(
        locks(("lead", UPDATE), ("account", KEY_SHARE)), locks(("account", KEY_SHARE), ("lead", UPDATE))
    )
    assert not problems(
        locks(("lead", UPDATE), ("account", UPDATE), ("lead", KEY_SHARE)), locks(("lead", UPDATE), ("account", UPDATE))
    )
