"""Bulk writes of other nouns, and a list with nearly all leads."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import asyncpg

from bench.measure import WARM, Pair, Run, paired
from bench.rig import Rig, encode
from springhead.model.kit.columns import Noun
from springhead.model.sales.accounts import ACCOUNT
from springhead.model.sales.opportunities import OPPORTUNITY
from springhead.store.database.pool import Tx
from springhead.store.lists import members
from springhead.store.nouns.table import RecordBatch, table

Sides = tuple[Callable[[int], Run], Callable[[int], Run]]
"""The side of the server and the side of the bare driver."""

RATIO_AT_LEAST = {"addListMembers, 500": 0.60, "removeListMembers, 500": 0.60, "createAccounts, 500": 0.60,
         "createOpportunities, 500": 0.60, "getListMembers, page of 500": 0.50}  # fmt: skip
DEEP_PAGE = "getListMembers, last page to first"
LISTED_AT_LEAST = 1_500
"""The least number of leads on the list, so that its last page is not its first page."""


class Neighbours:
    """Measures lists, accounts and opportunities, with a list of nearly all leads.

    `spare` leads are not on the list at first: each run of both sides adds 500 of them. `leads` is the number of leads
    that the company needs.
    """

    def __init__(self, rig: Rig, bare: asyncpg.Connection, *, version: int, runs: int) -> None:
        self._rig, self._bare, self._version, self._runs = rig, bare, version, runs
        self._list = 0
        self._stage = 0
        self._unlisted: list[int] = []
        self._listed = 0
        self.spare = 2 * 500 * (runs + WARM)
        self.leads = self.spare + LISTED_AT_LEAST

    async def fill(self) -> None:
        """Creates the list and adds leads to it with SQL, in the order of their ids."""
        call = self._rig.client.call
        (stage,) = call("createDealStages", objects=[{"dealStageName": "Offer"}])
        (created,) = call("createList", name="Nearly all")
        self._stage, self._list = stage["id"], created["id"]
        rows = await self._bare.fetch("select id from lead where company_id = 1 order by id")
        listed, self._unlisted = [row["id"] for row in rows[: -self.spare]], [row["id"] for row in rows[-self.spare :]]
        self._listed = len(listed)
        await self._bare.execute(
            """
            insert into list_member (company_id, list_id, lead_id, create_timestamp, update_timestamp)
            select 1, $1, lead_id, now() - interval '1 day', now() - interval '1 day'
            from unnest($2::bigint[]) as lead_id
            """,
            self._list,
            listed,
        )
        count = "update list set member_count = $2 where company_id = 1 and id = $1"
        await self._bare.execute(count, self._list, self._listed)
        await self._rig.vacuum("list_member")

    async def measure(self) -> dict[str, Pair]:
        """Compares every operation with its statement on the bare driver, and the last page with the first."""
        self._rig.client.reconnect()
        adding, removing = self._batches(), self._batches()
        page = {"where": {"id": self._list}, "limit": 500}
        first, last = (encode("getListMembers", **page, offset=offset) for offset in (0, self._listed - 1_000))
        operations: dict[str, Sides] = {
            "addListMembers, 500": self._members("addListMembers", members.add, adding),
            "removeListMembers, 500": self._members("removeListMembers", members.remove, removing),
            "createAccounts, 500": self._creates(
                "createAccounts", ACCOUNT, {"accountName": "Acme", "industry": "Roofs"}
            ),
            "createOpportunities, 500": self._creates(
                "createOpportunities",
                OPPORTUNITY,
                {"opportunityName": "A roof", "dealStageID": self._stage, "closeDate": "2030-01-01 00:00:00"},
            ),
            "getListMembers, page of 500": (self._post(first), self._bare_page),
            DEEP_PAGE: (self._post(last), self._post(first)),
        }
        return {name: await paired(ours, bare, runs=self._runs) for name, (ours, bare) in operations.items()}

    def _batches(self) -> Iterator[list[int]]:
        """Yields 500 leads at a time that no run has used."""
        return (self._unlisted[start : start + 500] for start in range(0, len(self._unlisted), 500))

    def _members(self, method: str, store: Any, batches: Iterator[list[int]]) -> Sides:
        def ours(_number: int) -> Run:
            objects = [{"listID": self._list, "memberID": lead} for lead in next(batches)]
            return partial(self._rig.client.post, encode(method, objects=objects))

        def bare(_number: int) -> Run:
            leads = next(batches)
            return partial(store, Tx(self._bare), 1, [self._list] * len(leads), leads)

        return ours, bare

    def _creates(self, method: str, noun: Noun, row: dict[str, Any]) -> Sides:
        body = encode(method, objects=[row] * 500)
        batch = RecordBatch(documents=json.dumps([row] * 500), version=self._version, zone="UTC")
        return self._post(body), lambda _number: partial(table(noun).insert, Tx(self._bare), 1, batch)

    def _post(self, body: bytes) -> Callable[[int], Run]:
        return lambda _number: partial(self._rig.client.post, body)

    def _bare_page(self, _number: int) -> Run:
        async def run() -> bytes:
            rows = await self._bare.fetch(
                """
                select m.id, m.list_id, p.company_name, m.lead_id, p.first_name, p.last_name, p.email_address
                from list_member m join lead p on p.company_id = m.company_id and p.id = m.lead_id
                where m.company_id = 1 and m.list_id = $1 and not m.is_removed
                order by m.id limit 500
                """,
                self._list,
            )
            return json.dumps([dict(row) for row in rows]).encode()

        return run
