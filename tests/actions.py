"""Calls of actions, for the tests of several rooms."""

from typing import Any

from support import Company, eventually, new_email


def start(company: Company, **action: Any) -> dict[str, Any]:
    """Starts an action; returns it as getActions shows it."""
    answer = company.envelope("createActions", {"objects": [action]})
    assert answer["result"] is not None, answer["error"]
    (outcome,) = answer["result"]["creates"]
    assert outcome["success"], outcome["error"]
    return outcome["action"]


def undo(company: Company, action_id: Any) -> dict[str, Any]:
    """Undoes an action; returns the action that does it."""
    (outcome,) = company.envelope("undoActions", {"objects": [{"id": action_id}]})["result"]["undos"]
    assert outcome["success"], outcome["error"]
    return outcome["action"]


def ended(company: Company, action: dict[str, Any]) -> dict[str, Any]:
    """Waits until an action has ended; returns it."""
    rows: list[dict[str, Any]] = []

    def has_ended() -> bool:
        rows[:] = company.call("getActions", id=action["id"])
        return rows[0]["state"] != "running"

    eventually(has_ended)
    return rows[0]


def fill(company: Company, number: int, **values: Any) -> list[int]:
    """Creates leads with the same values."""
    ids: list[int] = []
    for begin in range(0, number, 500):
        ids += company.create(
            *({"emailAddress": new_email(), **values} for _ in range(begin, min(begin + 500, number)))
        )
    return ids


def values_of(company: Company, ids: list[int], name: str) -> list[str | None]:
    """A field of leads, in the order of the ids."""
    found = {row["id"]: row[name] for row in company.call("getLeads", where={"id": ids})}
    return [found.get(str(lead_id)) for lead_id in ids]


def counts(action: dict[str, Any]) -> tuple[str, ...]:
    """The numbers of an action: selected, through, changed, failed."""
    return tuple(action[name] for name in ("total", "done", "changed", "failed"))
