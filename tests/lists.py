"""Creates, fills and reads lists."""

from typing import Any

from support import Company, Server, sql


def new_list(company: Company, name: str = "A list", **more: Any) -> int:
    """Creates a list. Returns its id."""
    (made,) = company.call("createList", name=name, **more)
    assert made["success"], made
    return made["id"]


def add_members(company: Company, list_id: int, *leads: int) -> list[int]:
    """Adds leads to a list. None may be a member yet. Returns the ids of the memberships."""
    return company.make("addListMembers", *({"listID": list_id, "memberID": lead} for lead in leads))


def counts(company: Company, list_id: int) -> tuple[int, int]:
    """`memberCount` and `removedCount` of a list."""
    (row,) = company.call("getActiveLists", where={"id": list_id})
    return int(row["memberCount"]), int(row["removedCount"])


def members(company: Company, list_id: int) -> list[int]:
    """The ids of the members of a list, in the order of reads."""
    member_ids: list[int] = []
    while True:
        page = company.call("getListMembers", where={"id": list_id}, offset=len(member_ids))
        member_ids += [int(row["leadID"]) for row in page]
        if len(page) < 500:
            return member_ids


def true_counts(server: Server, company: Company, list_id: int) -> tuple[int, int]:
    """The counts of members and removed members, from the rows themselves."""
    (row,) = sql(
        server.dsn,
        """
        select count(*) filter (where not is_removed)::int as active, count(*) filter (where is_removed)::int as gone
        from list_member where company_id = $1 and list_id = $2
        """,
        company.id,
        list_id,
        company_id=company.id,
    )
    return row["active"], row["gone"]


def fill(server: Server, company: Company, list_id: int, number: int) -> None:
    """Fills a list with new leads by SQL, as the methods would, but faster."""
    sql(
        server.dsn,
        """
        with leads as (
            insert into lead (company_id, email_key, lead_score, lead_score_weighted, active, create_timestamp,
                update_timestamp, lead_status, email_address)
            select $1, n || '@fill.example', 0, 0, true, now() - interval '1 hour', now() - interval '1 hour', 'open',
                n || '@fill.example'
            from generate_series(1, $3::int) as n
            returning id
        ),
        made as (
            insert into list_member (company_id, create_timestamp, update_timestamp, list_id, lead_id)
            select $1, now() - interval '1 hour', now() - interval '1 hour', $2, id from leads order by id
        )
        update list set member_count = member_count + $3 where company_id = $1 and id = $2
        """,
        company.id,
        list_id,
        number,
        company_id=company.id,
    )
