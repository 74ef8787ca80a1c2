"""The parts of statements that read and record the opt-outs of addresses while they write leads.

A lead and its address agree: no statement makes a lead unsubscribed without the opt-out of its address. The parts are
empty for nouns without such a flag.
"""

from springhead.model.kit.columns import Noun


def hash_of(key: str) -> str:
    """Returns the SQL of an address's hash, as model/leads/opt_outs.py computes it. `$1` is the company."""
    return f"sha256(convert_to($1::bigint::text || ':' || {key}, 'UTF8'))"


def hashes(noun: Noun) -> str:
    """Returns the column `address_hash` (with leading comma) of the rows `sent`."""
    return f", {hash_of('s.normal_key')} as address_hash" if noun.opt_out_flag else ""


def found(noun: Noun) -> str:
    """Returns the CTE `opted_out` (with leading comma): the opt-outs of the addresses in `sent`."""
    return f",{opted_out('sent')}" if noun.opt_out_flag else ""


def opted_out(rows: str) -> str:
    """Returns the CTE `opted_out`: the opt-outs of the addresses in the CTE `rows`."""
    return f"""
            opted_out as materialized (
                select o.address_hash, o.source from opt_out o
                where o.company_id = $1 and o.active and o.address_hash = any(array(select address_hash from {rows}))
            )"""


INSERTED_FLAG = "(s.address_hash in (select address_hash from opted_out) or s.is_unsubscribed)"
"""The flag of a new lead `s`."""


def updated_flag(value: str) -> str:
    """Returns the flag of an updated lead `l` with the outcome `r`; `value` is the flag without opt-outs."""
    opted_out = "not r.opts_in and (l.is_unsubscribed or r.opt_out_source is not null)"
    return f"case when {opted_out} then true else {value} end"


def outcome_columns(noun: Noun) -> str:
    """Returns columns (with leading comma) of the outcome of the object `s` of an update.

    `opts_in`: the object opts in again. `opt_out_source`: the source of the opt-out of the address that was sent.
    """
    if not noun.opt_out_flag:
        return ""
    null = 1 << noun.nullable_columns.index(noun.by_name[noun.opt_out_flag])
    return f""",
                    $9 and s.id is not null and (s.is_unsubscribed is false or s.nulls & {null} <> 0) as opts_in,
                    a.source as opt_out_source"""


def outcome_join(noun: Noun) -> str:
    """Returns the join for `outcome_columns`."""
    join = """
                left join opted_out a on a.address_hash = s.address_hash"""
    return join if noun.opt_out_flag else ""


def changed_columns(noun: Noun) -> str:
    """Returns columns (with leading comma) of the changed rows of an update, with the outcomes `r`.

    `was_opted_out`: the address that was sent had an opt-out. `source`: the source of the decision, if there is one.
    """
    columns = """,
                    r.opts_in, r.opt_out_source is not null as was_opted_out,
                    case when r.opts_in or r.opt_out_source is null then $8 else r.opt_out_source end as source"""
    return columns if noun.opt_out_flag else ""


OPTED_IN = "(c.opts_in and (o.is_unsubscribed is true or c.was_opted_out))"
"""The condition that an update has changed the lead `o` to `c`, which opts in again."""


def of_insertion(noun: Noun) -> str:
    """Returns CTEs (with leading comma) that record the opt-outs of the CTE `inserted`.

    The CTE `unsubscribed` has the leads whose flag is set, with the sources of their opt-outs.
    """
    if not noun.opt_out_flag:
        return ""
    return f""",
            unsubscribed as materialized (
                select i.id, s.address_hash, coalesce(a.source, $8) as source
                from inserted i
                join sent s on s.new_id = i.id
                left join opted_out a on a.address_hash = s.address_hash
                where i.is_unsubscribed
            ){recorded("select address_hash, true as active, source from unsubscribed")}"""


def of_update(noun: Noun) -> str:
    """Returns CTEs (with leading comma) that record the decisions of an update, which changed `locked` to `changed`."""
    if not noun.opt_out_flag:
        return ""
    return recorded(f"""
                select {hash_of("c.email_key")} as address_hash, c.is_unsubscribed is true as active, c.source
                from changed c join locked o on o.id = c.id
                where {OPTED_IN}
                    or (c.is_unsubscribed and (o.is_unsubscribed is not true or o.email_key <> c.email_key))
                """)


def recorded(decisions: str) -> str:
    """Returns CTEs (with leading comma) that record decisions: a select of `address_hash`, `active` and `source`.

    An address that is asked twice for the same decision keeps the time and source of the first one.
    """
    return f""",
            decisions as materialized ({decisions}),
            recorded as ({insertion("decisions")})"""


def insertion(decisions: str) -> str:
    """Returns an insert that records decisions: rows of `address_hash`, `active` and `source`, such as a CTE."""
    return f"""
                insert into opt_out as o (company_id, address_hash, active, source, change_timestamp)
                select $1, d.address_hash, d.active, d.source, now() from {decisions} d
                order by d.address_hash
                on conflict (company_id, address_hash) do update set active = excluded.active,
                    source = excluded.source, change_timestamp = excluded.change_timestamp
                    where o.active <> excluded.active"""
