"""The nouns with generic writes: their methods, and valid values for all their columns."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import pytest

from springhead import methods
from springhead.model.kit.columns import Column, Noun
from springhead.model.lists import ACTIVE_LIST
from springhead.model.sales.accounts import ACCOUNT
from springhead.model.sales.campaigns import CAMPAIGN
from springhead.model.sales.notes import TASK
from springhead.model.sales.opportunities import DEAL_STAGE, OPPORTUNITY
from springhead.model.sales.products import PRODUCT
from springhead.rpc.method import REGISTRY
from springhead.rpc.params import Where
from support import Company, new_email, sql

assert methods.leads, "importing the methods registers them"


NOTHING = {"code": 302, "message": "No table rows affected", "data": []}


class Case(NamedTuple):
    """A noun and its methods. `always` are values that every object must have in addition to the required ones.

    `together` are columns that depend on each other: tests change them together.
    Without `get` an object is read with the filter `id` of `listing`, if there is one.
    """

    noun: Noun
    create: str
    update: str
    delete: str
    listing: str = ""
    get: str = ""
    ranged: str = ""
    always: Mapping[str, Any] = {}
    together: frozenset[str] = frozenset()

    @property
    def filters(self) -> tuple[str, ...]:
        """The columns that the listing can be filtered by."""
        if not self.listing:
            return ()
        given = next(given for given in REGISTRY[self.listing].params if isinstance(given.accepts, Where))
        return given.accepts.keys if isinstance(given.accepts, Where) else ()


def _plain(noun: Noun, plural: str, **more: Any) -> Case:
    """A noun with the seven methods that most have."""
    capitalized = noun.name[0].upper() + noun.name[1:]
    return Case(
        noun,
        f"create{plural}",
        f"update{plural}",
        f"delete{plural}",
        f"get{plural}",
        f"get{capitalized}",
        f"get{plural}DateRange",
        **more,
    )


CASES = [
    _plain(ACCOUNT, "Accounts"),
    _plain(CAMPAIGN, "Campaigns"),
    Case(PRODUCT, "createProducts", "updateProduct", "deleteProduct", "getProducts"),
    _plain(DEAL_STAGE, "DealStages"),
    _plain(OPPORTUNITY, "Opportunities", together=frozenset({"isClosed", "isWon"})),
    Case(ACTIVE_LIST, "createList", "updateList", "deleteList", "getActiveLists"),
    Case(TASK, "createTasks", "updateTasks", "deleteTasks", "getTasks"),
]
"""A new noun is a row here."""


def cases(*wanted: str) -> pytest.MarkDecorator:
    """Runs a test for each noun that has these methods, columns of these types, or custom fields."""

    def has_feature(case: Case, feature: str) -> bool:
        if feature == "custom fields":
            return case.noun.custom
        return bool(getattr(case, feature)) if feature in Case._fields else bool(of_type(case.noun, feature))

    chosen = [case for case in CASES if all(has_feature(case, feature) for feature in wanted)]
    assert chosen
    return pytest.mark.parametrize("case", chosen, ids=[case.noun.name for case in chosen])


def of_type(noun: Noun, sql_type: str) -> list[Column]:
    """The columns of that type that callers write and that neither refer to rows nor depend on other columns."""
    return [column for column in noun.writable_columns if column.kind.sql == sql_type and not column.references]


def shown_columns(case: Case) -> list[Column]:
    """The columns that a caller writes and every read shows."""
    return [column for column in case.noun.writable_columns if not column.on_request]


def minimal_object(company: Company, case: Case) -> dict[str, Any]:
    """The minimal values of an object, by wire names."""
    needed = {column.name: value(company, column) for column in case.noun.writable_columns if column.required}
    return needed | dict(case.always)


def with_its_kin(case: Case, column: Column) -> set[str]:
    """The names of a column and of the columns that belong to it, such as the type of an id."""
    kin = case.together if column.name in case.together else frozenset({column.name})
    return {
        *kin,
        *([column.reference_type] if column.reference_type else []),
        *(other.name for other in case.noun.writable_columns if other.reference_type == column.name),
    }


def full_object(company: Company, case: Case, number: int = 0) -> dict[str, Any]:
    """A valid value for every column that reads show. Another `number` gives other values."""
    values = {column.name: value(company, column, number) for column in shown_columns(case)}
    for column in case.noun.writable_columns:
        if isinstance(column.references, Mapping):
            word = sorted(column.references)[number % len(column.references)]
            values |= {
                column.reference_type or "": word,
                column.name: referred(company, column.references[word], number),
            }
    return values


def value(company: Company, column: Column, number: int = 0) -> Any:
    """A valid value for a column, as reads show it."""
    if isinstance(column.references, str):
        return referred(company, column.references, number)
    if column.kind.options:
        return column.kind.options[number % len(column.kind.options)]
    return {
        "text": f"{column.name} {number} \u65e5 <b>&amp;"[: column.kind.length],
        "bigint": str(7 + number),
        "numeric": f"{12 + number}.5",
        "boolean": str((number + 1) % 2),
        "timestamptz": f"20{30 + number}-01-31 10:20:30",
    }[column.kind.sql]


def referred(company: Company, table: str, number: int = 0) -> str:
    """The id of a new object for a reference column. For users, the `number`th user of the company."""
    match table:
        case "user_profile":
            return _user(company, number)
        case "lead":
            return str(company.create({"emailAddress": new_email()})[0])
        case _:
            case = next(case for case in CASES if case.noun.table == table)
            return str(company.make(case.create, minimal_object(company, case))[0])


def _user(company: Company, number: int) -> str:
    users = [user["id"] for user in company.call("getUserProfiles")]
    while len(users) <= number:
        (row,) = sql(
            company.dsn,
            """
            insert into user_profile (company_id, first_name, last_name, display_name, email_address, email_key,
                is_active, is_reseller, create_timestamp)
            values ($1, '', '', 'Another', $2, $2, true, false, now()) returning id
            """,
            company.id,
            new_email(),
            company_id=company.id,
        )
        users.append(str(row["id"]))
    return users[number]


def read(company: Company, case: Case, object_id: Any) -> dict[str, Any] | None:
    """The object with that id, or None."""
    if case.get:
        rows = company.call(case.get, id=object_id)
    elif "id" in case.filters:
        rows = company.call(case.listing, where={"id": object_id})
    else:
        rows = [row for row in company.call(case.listing) if row["id"] == str(object_id)]
    assert len(rows) <= 1
    return rows[0] if rows else None


def create_object(company: Company, case: Case, **more: Any) -> int:
    (object_id,) = company.make(case.create, minimal_object(company, case) | more)
    return object_id


def refusal_of_change(company: Company, case: Case, **values: Any) -> dict[str, Any] | None:
    """Changes an object. Returns the refusal, or None."""
    return company.refusal(case.update, values)


def refused_columns(refusal: dict[str, Any] | None, code: int = 205) -> list[str]:
    """The columns that a refusal names."""
    assert refusal is not None
    assert refusal["code"] == code, refusal
    return [problem["param"] for problem in refusal["data"]["params"]]


def without(row: dict[str, Any] | None, *names: str) -> dict[str, Any]:
    assert row is not None
    return {name: field_value for name, field_value in row.items() if name not in {*names, "updateTimestamp"}}


def make_old(company: Company, case: Case) -> None:
    """Makes all objects a day old: page starts are cached only among settled objects."""
    sql(company.dsn, f"update {case.noun.table} set create_timestamp = now() - interval '1 day'", company_id=company.id)
