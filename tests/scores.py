"""Drives scoring: creates events of any age, and scores leads without waiting for the server."""

import json
from typing import Any

from springhead.store.scores import scoring
from support import Company, sql, with_database

CREATED = {"name": "Came", "part": "engagement", "points": 4, "eventSource": "leadCreation"}


def add_events(
    company: Company,
    lead: int,
    source: str,
    *,
    days: float = 0,
    name: str = "x",
    url: str | None = None,
    times: int = 1,
) -> None:
    """Creates events of a lead, that many days ago."""
    sql(
        company.dsn,
        """
        insert into event (company_id, lead_id, create_timestamp, event_source, event_name, event_data)
        select $1, $2, now() - make_interval(secs => $3), $4, $5, $6::jsonb from generate_series(1, $7)
        """,
        company.id,
        lead,
        days * 86_400,
        source,
        name,
        json.dumps({"url": url}) if url else None,
        times,
        company_id=company.id,
    )


def score_new_events(company: Company) -> None:
    """Scores the leads of new events now, as the server does every few seconds."""
    more = True
    while more:
        sql(company.dsn, "update scoring set due_at = now() where company_id = $1", company.id)
        more = with_database(company.dsn, lambda database: scoring.score_new_events(database, company.id))


def scores(company: Company, lead: int) -> tuple[int, int]:
    """`leadScore` and `leadScoreWeighted` of a lead."""
    row = company.lead(lead)
    return int(row["leadScore"] or ""), int(row["leadScoreWeighted"] or "")


def lines(company: Company, lead: int) -> list[dict[str, Any]]:
    """The lines of the explanation of a lead's score."""
    return company.call("getScoreExplanation", leadID=lead)


def make_second_look_due(company: Company) -> None:
    """Makes the second look for events due: it finds events that became visible late."""
    sql(company.dsn, "update scoring set marked_at = now() - interval '1 minute' where company_id = $1", company.id)
