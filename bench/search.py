"""Searches, compared with the same condition on the bare driver."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import asyncpg

from bench.measure import Pair, Run, paired
from bench.rig import Rig, encode

RATIO_AT_LEAST = {"by an indexed field": 0.20, "by a field without an index": 0.60, "a word that nobody has": 0.60}
DEEP_PAGE = "a deep page by its cursor to the first"
TYPO = "a word with a typo to one without"
DEPTH = 100
"""Pages of 500 before the deep page, fewer if there are not enough leads."""

_COLUMNS = ("first_name", "last_name", "company_name", "email_address", "description")
_WORD = " or ".join(f"lower({column}) like lower($1)" for column in _COLUMNS)
_BARE = {
    "by an indexed field": "email_key = $1",
    "by a field without an index": "lower(city) = lower($1)",
    "a word that nobody has": f"({_WORD})",
}


class Searches:
    """Measures searches in the first company."""

    def __init__(self, rig: Rig, bare: asyncpg.Connection, *, runs: int) -> None:
        self._rig, self._bare, self._runs = rig, bare, runs

    async def measure(self) -> dict[str, Pair]:
        """Returns the times of every search. A typo and a deep page are compared with a plain search."""
        self._rig.client.reconnect()
        few = max(3, self._runs // 6)  # for searches that read all leads
        address = await self._bare.fetchval("select email_key from lead where company_id = 1 order by id limit 1")
        searches: dict[str, tuple[dict[str, Any], str, int]] = {
            "by an indexed field": ({"filter": {"emailAddress": address}}, address, self._runs),
            "by a field without an index": ({"filter": {"city": "Nowhere"}}, "Nowhere", few),
            "a word that nobody has": ({"text": "zzz9"}, "%zzz9%", few),
        }
        pairs = {
            name: await paired(self._ours(**search), self._select(_BARE[name], value), runs=runs, warm=2)
            for name, (search, value, runs) in searches.items()
        }
        pairs[TYPO] = await paired(self._ours(text="zzzzyyyyxx"), self._ours(text="zzz9"), runs=few, warm=2)
        page = {"sort": "updateTimestamp", "limit": 500}
        deep = self._ours(**page, cursor=self._deep(**page))
        pairs[DEEP_PAGE] = await paired(deep, self._ours(**page), runs=self._runs)
        return pairs

    def _deep(self, **page: Any) -> str:
        """Returns the cursor of the page after DEPTH pages."""
        cursor = ""
        for _ in range(DEPTH):
            answer = json.loads(self._rig.client.post(encode("searchLeads", **page, fields=["id"], cursor=cursor)))
            if not answer["result"]["cursor"]:
                break
            cursor = answer["result"]["cursor"]
        return cursor

    def _ours(self, **search: Any) -> Callable[[int], Run]:
        body = encode("searchLeads", **search)
        return lambda _number: partial(self._rig.client.post, body)

    def _select(self, condition: str, value: str) -> Callable[[int], Run]:
        query = f"select * from lead where company_id = 1 and active and {condition} order by id limit 51"
        return lambda _number: partial(self._bare.fetch, query, value)
