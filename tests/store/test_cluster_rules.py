"""The nine rules for statements find what a Citus cluster refuses (docs/decisions/0034-nine-rules-for-a-cluster.md)."""

import pytest

from cluster_rules import RULES, faults, migration_faults
from statements import STORE

EXAMPLES = [
    (
        1,
        "insert into event (company_id, lead_id) select $1, id from lead where company_id = $1",
        "insert into event (company_id, lead_id) select $1, id from lead where company_id = $1 returning id",
    ),
    (
        1,
        """
        with told as (insert into event (company_id, lead_id) select $1, id from unnest($2::bigint[]) as s (id))
        select 1
        """,
        """
        with told as (
            insert into event (company_id, lead_id) select $1, id from unnest($2::bigint[]) as s (id)
            on conflict (company_id, lead_id) do nothing
        )
        select 1
        """,
    ),
    (
        2,
        """
        insert into visitor as v (company_id, lead_id) select $1, id from unnest($2::bigint[]) as s (id)
        on conflict (company_id, id) do update set lead_id = excluded.lead_id where v.lead_id is null or $3
        """,
        """
        insert into visitor as v (company_id, lead_id) values ($1, $2)
        on conflict (company_id, id) do update set lead_id = excluded.lead_id where v.lead_id is null or $3
        """,
    ),
    (
        3,
        "update task set done_at = case when status = 'completed' then now() end where company_id = $1",
        """
        update task t set done_at = case when t.status = 'completed' then n.moment end
        from (select now() as moment) n where t.company_id = $1
        """,
    ),
    (
        3,
        "update delivery set begun_at = coalesce(begun_at, current_timestamp) where company_id = $1",
        "update delivery set begun_at = now() where company_id = $1 and begun_at is null",
    ),
    (
        3,
        """
        insert into task (company_id, id) values ($1, $2)
        on conflict (company_id, id) do update set done_at = coalesce(task.done_at, now())
        """,
        """
        insert into task (company_id, id, done_at) values ($1, $2, now())
        on conflict (company_id, id) do update set done_at = coalesce(task.done_at, excluded.done_at)
        """,
    ),
    (
        4,
        "update pass set due_at = now() + make_interval(secs => failures) where id = $1",
        "update pass set due_at = now() + make_interval(secs => $2) where id = $1",
    ),
    (
        4,
        "update pass set due_at = due_at + 2 * interval '1 hour' where id = $1",
        """
        update pass p set due_at = d.due_at
        from (select id, due_at + 2 * interval '1 hour' as due_at from pass where id = $1) as d where p.id = d.id
        """,
    ),
    (
        4,
        """
        insert into idempotency as i (company_id, key, created_at) values ($1, $2, now())
        on conflict (company_id, key) do update set created_at = excluded.created_at
        where i.created_at < excluded.created_at - interval '1 day'
        """,
        """
        insert into idempotency as i (company_id, key, created_at) values ($1, $2, now())
        on conflict (company_id, key) do update set created_at = excluded.created_at
        where excluded.created_at - i.created_at > interval '1 day'
        """,
    ),
    (
        4,
        "delete from visitor where company_id = $1 and last_seen + interval '1 day' < now()",
        "delete from visitor where company_id = $1 and last_seen < now() - interval '1 day'",
    ),
    (
        4,
        "update task set due_date = (due_date + interval '1 microsecond') at time zone 'UTC' where company_id = $1",
        "update task set due_date = (due_date::timestamp + interval '1 s') at time zone 'UTC' where company_id = $1",
    ),
    (
        5,
        """
        select l.id from moved m join lead l on l.company_id = $1 and l.id = m.id order by l.id
        for no key update of l
        """,
        """
        select l.id from lead l where l.company_id = $1 and l.id = any(array(select id from moved)) order by l.id
        for no key update
        """,
    ),
    (
        5,
        "select l.id from lead l, list_member m where l.company_id = $1 and m.company_id = $1 order by l.id for share",
        "select id from lead where company_id = $1 order by id for update skip locked",
    ),
    (
        6,
        """
        select id from lead l where l.company_id = $1
            and exists (select from event e where e.company_id = l.company_id and e.lead_id = l.id)
        """,
        """
        select id from lead l where l.company_id = $1
            and exists (select from event e where e.company_id = $1 and e.lead_id = l.id)
        """,
    ),
    (
        6,
        """
        select (select p.sent from push p where l.company_id = p.company_id and p.subscription_id = l.id)
        from subscription l where l.company_id = $1
        """,
        """
        select l.id from subscription l join push p on p.company_id = l.company_id and p.subscription_id = l.id
        where l.company_id = $1
        """,
    ),
    (
        7,
        """
        select a.id from note n cross join lateral (
            select n.who_id as id union select n.what_id
        ) as a where n.company_id = $1
        """,
        "select a.id from note n cross join lateral (values (n.who_id), (n.what_id)) as a (id) where n.company_id = $1",
    ),
    (
        8,
        "select count(*) from (select from lead where company_id = $1 limit 10) as found",
        "select count(*) from (select 1 from lead where company_id = $1 limit 10) as found",
    ),
    (
        8,
        "with moved as (select from joined union all select from gone) select count(*) from moved",
        "select exists (select from lead where company_id = $1)",
    ),
    (
        9,
        """
        select s.id from unnest($2::bigint[]) as s (id)
        where not exists (select from event e where e.company_id = $1 and e.lead_id = s.id)
        """,
        """
        with sent as materialized (select s.id from unnest($2::bigint[]) as s (id)),
        had as materialized (select e.lead_id from event e where e.company_id = $1)
        select s.id from sent s where not exists (select from had h where h.lead_id = s.id)
        """,
    ),
    (
        9,
        """
        select d.id, (select count(*) from event e where e.company_id = $1 and e.lead_id = x.lead_id)
        from deleted_lead d cross join lateral jsonb_populate_record(null::event, d.lead) x where d.company_id = $1
        """,
        """
        select s.id from unnest($2::bigint[]) as s (id)
        cross join lateral (select e.id from event e where e.company_id = $1 and e.lead_id = s.id limit 1) as e
        """,
    ),
]
"""The number of a rule, a statement that breaks it, and one that keeps all of them."""


def test_every_rule_has_an_example() -> None:
    assert {number for number, _, _ in EXAMPLES} == {*range(1, len(RULES) + 1)}
    assert len(RULES) == 9


@pytest.mark.parametrize(("number", "refused", "taken"), EXAMPLES)
def test_a_rule_finds_its_fault_and_says_what_to_write(number: int, refused: str, taken: str) -> None:
    (fault,) = faults(refused)

    assert fault.startswith(f"({number}) ")
    assert ": " in fault
    assert faults(taken) == []


def test_statements_over_all_companies_may_join_them_by_company() -> None:
    every = "select p.id from push p where exists (select from change c where c.company_id = p.company_id)"

    assert faults(every) == []
    assert faults(f"{every} and p.company_id = $1") != []


@pytest.mark.parametrize(
    ("refused", "taken"),
    [
        (
            "alter table shift drop constraint shift_pkey, add primary key (company_id, noun)",
            "alter table shift drop constraint shift_pkey; alter table shift add primary key (company_id, noun)",
        ),
        (
            "alter table company add column days int not null default 30 check (days >= 0)",
            """
            alter table company add column days int not null default 30, add column name text;
            alter table company add constraint days check (days >= 0)
            """,
        ),
        (
            "insert into site (company_id) select id from company",
            "insert into site (company_id) select id from company returning company_id",
        ),
    ],
)
def test_migrations_of_distributed_tables_have_rules_too(refused: str, taken: str) -> None:
    assert len(migration_faults(refused)) == 1
    assert migration_faults(taken) == []


def test_migrations_from_0013_on_keep_the_rules() -> None:
    found = {
        path.name: problems
        for path in sorted((STORE / "migrations").glob("*.sql"))
        if path.name >= "0013" and (problems := migration_faults(path.read_text()))
    }
    assert not found
