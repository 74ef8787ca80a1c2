"""A user whose role sees only its own leads reaches no lead of another user, by any method."""

import asyncio
import json
from collections.abc import Generator
from typing import Any, cast

import msgspec
import pytest

from attacks import tries
from browsing import new_user
from in_process import body_of, context_of, shared_parts
from isolation import Attacker, dump, fill_company
from springhead.model.companies.roles import ROLES
from springhead.model.companies.users import User
from springhead.model.kit.errors import ApiError, Json
from springhead.rpc.method import REGISTRY, Method, Reads, find
from springhead.rpc.rights import right_of
from springhead.store.database.pool import Database
from springhead.wire.api import envelope
from support import BOX, Server, eventually, new_company, sql, superuser

OPEN_TO_ALL = {
    "account", "campaign", "deal_stage", "list", "list_tag", "product", "form", "score_rule", "subscription",
    "delivery", "saved_view", "field", "user_profile", "action", "action_part",
}  # fmt: skip
"""The tables that belong to no lead. All users of a company read them."""


class Seller:
    """A company in which a salesperson has some leads, and somebody else others with `Secret` in every text."""

    def __init__(self, server: Server) -> None:
        self.server, self.company = server, new_company(server)
        self.user = new_user(server, self.company, "salesperson")
        self.hidden = fill_company(server, self.company)
        self._show_what_belongs_to_nobody()
        self.me = Attacker(self.company)
        for table in ("lead", "opportunity"):
            sql(
                server.dsn,
                f"update {table} set owner_id = $2 where company_id = $1 and owner_id is distinct from $3",
                self.company.id,
                self.user.id,
                self.hidden.users[0],
                company_id=self.company.id,
            )
        sql(
            server.dsn,
            "update deleted_lead set lead = lead || jsonb_build_object('owner_id', $2::bigint) where company_id = $1",
            self.company.id,
            self.hidden.users[0],
            company_id=self.company.id,
        )
        self._runner = asyncio.Runner()
        self._database = Database(pool_size=2, box=BOX)
        self._runner.run(self._database.open(server.dsn))
        self._shared = shared_parts(self._database)

    def ask(self, method: str, params: Any, user: User | None = None) -> str:
        """The answer to a call of the user, which no check of rights refuses."""
        return self._runner.run(self._ask(method, params, user or self.user))

    async def _ask(self, method: str, params: Any, user: User) -> str:
        context = msgspec.structs.replace(await context_of(self._shared, self.company), user=user)
        declared = find(method)
        try:
            result = await declared.call(context, cast("dict[str, Json]", params), objects_per_call=500)
        except ApiError as error:
            return envelope.failure(error, b'"1"').decode()
        answer = envelope.success(declared.result, result, b'"1"', plain_success=False)
        return (await body_of(answer)).decode()

    def rows(self) -> list[str]:
        """All rows about hidden leads."""
        ids = {str(lead) for lead in (*self.hidden.leads, *self.hidden.ids("deleted_lead"))}
        return [
            row
            for table, rows in dump(self.server, self.company).items()
            for row in rows
            if table not in OPEN_TO_ALL and ids & set(row.replace("(", ",").replace(")", ",").split(","))
        ]

    def _show_what_belongs_to_nobody(self) -> None:
        """Replaces the texts of everything that belongs to no lead, so that `Secret` stands in hidden rows only."""
        _, with_a_filter = self.hidden.ids("list")
        objects = [{"id": with_a_filter, "filter": {"firstName": "Nobody"}}]
        assert self.company.call("updateList", objects=objects)[0]["success"]
        texts = sql(
            superuser(self.server.dsn),
            "select table_name::text as name, column_name::text as text, data_type::text as type"
            " from information_schema.columns"
            " where table_schema = current_schema() and data_type in ('text', 'jsonb') and table_name = any($1)"
            " and is_generated = 'NEVER'",
            sorted(OPEN_TO_ALL),
        )
        for row in texts:
            statement = f"update {row['name']} set {row['text']} = "
            statement += f"replace({row['text']}::text, 'Secret', 'Shown')::{row['type']}"
            sql(superuser(self.server.dsn), f"{statement} where company_id = $1", self.company.id)

    def close(self) -> None:
        """Closes the database."""
        self._runner.run(self._database.close())
        self._runner.close()
        self.company.close()


@pytest.fixture(scope="module")
def seller(server: Server) -> Generator[Seller]:
    seller = Seller(server)
    yield seller
    seller.close()


def _is_open(method: Method[Any]) -> bool:
    """Whether a salesperson has the right to call the method."""
    right = right_of(method)
    return right is None or ROLES["salesperson"].may(right)


@pytest.mark.parametrize("method", [name for name, method in REGISTRY.items() if _is_open(method)])
def test_no_method_shows_or_changes_a_lead_of_another_user(seller: Seller, method: str) -> None:
    before = seller.rows()
    assert len(before) > 20
    for params in tries(method, seller.me, seller.hidden):
        if not isinstance(REGISTRY[method].result, Reads):  # no lead of the seller's own gets a hidden text
            params = json.loads(json.dumps(params).replace("Secret", "Own"))  # noqa: PLW2901
        answer = seller.ask(method, params)
        assert "Secret" not in answer, params
        shown = {str(lead) for lead in seller.hidden.leads if str(lead) in answer}
        sent = {lead for lead in shown if lead in json.dumps(params)}
        assert shown == sent, f"{shown - sent} of another user in the answer to {params}"
    assert seller.rows() == before


def test_without_row_level_security_these_tests_fail(seller: Seller) -> None:
    manager = new_user(seller.server, seller.company, "salesManager")
    assert "Secret" in seller.ask("getLead", {"id": seller.hidden.leads[0]}, manager)


def test_an_address_that_a_hidden_lead_has_is_said_to_be_taken_and_not_by_whom(seller: Seller) -> None:
    answer = json.loads(seller.ask("createLeads", {"objects": [{"emailAddress": seller.hidden.emails[0]}]}))
    (outcome,) = answer["result"]["creates"]
    assert outcome["error"]["code"] == 301
    assert str(seller.hidden.leads[0]) not in json.dumps(answer)


def test_a_unique_value_that_a_hidden_lead_has_is_said_to_be_taken(seller: Seller) -> None:
    name, email = seller.hidden.names[1], "mine@example.com"
    for method, params in (
        ("createLeads", {"objects": [{"emailAddress": email, name: "Secret 1"}]}),
        ("upsertLeads", {"objects": [{"emailAddress": email, name: "Secret 1"}]}),
        ("upsertLeads", {"objects": [{"emailAddress": email, name: "Secret 1"}], "key": name}),
        ("updateLeads", {"objects": [{"id": seller.me.spare, name: "Secret 1"}]}),
    ):
        answer = seller.ask(method, params)
        (outcome,) = next(iter(json.loads(answer)["result"].values()))
        assert outcome["error"]["code"] == 301, (method, answer)
        assert not seller.hidden.values_in(answer) - {name}


def test_a_seller_gives_leads_only_to_nobody_or_keeps_them(seller: Seller) -> None:
    other = seller.hidden.users[0]

    def code(owner: int | None) -> int:
        objects = [{"id": seller.me.lead, "ownerID": owner}]
        (outcome,) = json.loads(seller.ask("updateLeads", {"objects": objects}))["result"]["updates"]
        return outcome["error"]["code"] if outcome["error"] else 0

    assert code(other) == 205
    assert code(None) == 0
    assert code(seller.user.id) == 0


def test_an_action_of_a_seller_that_goes_on_in_the_background_changes_no_hidden_lead(seller: Seller) -> None:
    own = seller.company.create(*({"ownerID": seller.user.id} for _ in range(500)))
    hidden = seller.hidden.leads
    before = seller.rows()
    values = {"kind": "update", "values": {"city": "Stolen"}}
    objects = [{**values, "ids": own}, {**values, "ids": [own[0], *hidden]}]  # the second goes on in the background
    first, second = json.loads(seller.ask("createActions", {"objects": objects}))["result"]["creates"]
    assert first["success"]
    assert second["action"]["state"] == "running"

    def state() -> Any:
        (row,) = json.loads(seller.ask("getActions", {"id": second["id"]}))["result"]["action"]
        return row

    eventually(lambda: state()["state"] == "done")
    assert state()["failed"] == str(len(hidden))
    assert seller.rows() == before

    manager = new_user(seller.server, seller.company, "salesManager")
    objects = [{**values, "ids": [hidden[0]]}]
    (third,) = json.loads(seller.ask("createActions", {"objects": objects}, manager))["result"]["creates"]
    assert third["success"]
    undone = seller.ask("undoActions", {"objects": [{"id": third["id"]}]})
    assert '"success":false' in undone, "nobody undoes an action that they cannot see"


def test_a_seller_works_with_leads_of_nobody_and_own_ones(seller: Seller) -> None:
    made = json.loads(seller.ask("createLeads", {"objects": [{"emailAddress": "new@example.com", "city": "Köln"}]}))
    lead = made["result"]["creates"][0]["id"]
    for method, values in (
        ("updateLeads", {"id": lead, "city": "Bonn"}),
        ("createNotes", {"authorID": seller.user.id, "whoID": lead, "whoType": "lead", "note": "Called"}),
        ("createTasks", {"whoID": lead, "whoType": "lead", "title": "Call again", "ownerID": seller.user.id}),
        ("addListMembers", {"listID": seller.me.id("list"), "memberID": lead}),
        ("convertLeads", {"id": lead}),
        ("deleteLeads", {"id": lead}),
        ("restoreLeads", {"id": lead}),
    ):
        answer = json.loads(seller.ask(method, {"objects": [values]}))
        assert answer["result"], (method, answer)
        (outcome,) = next(iter(answer["result"].values()))
        assert outcome["success"], (method, outcome)
    assert '"city":"Bonn"' in seller.ask("getLead", {"id": lead})
    assert "leadCreation" in seller.ask("getLeadTimeline", {"where": {"whoID": lead}})
