-- What users with a role that sees only its own leads can reach: their own leads and those of nobody, and what belongs
-- to them. For such a user the setting app.sees is `some`, and app.viewer is the user's id; otherwise a connection sees the
-- whole company. PostgreSQL expects the first condition of each policy to be true for nearly all rows, as every
-- `is distinct from`: so the plans for everybody else stay as they were (docs/decisions/0040-seen-leads.md).

create function is_hidden_lead(company bigint, lead_id bigint) returns boolean
language plpgsql stable security definer
set search_path = "$user", public, pg_temp
set row_security = off
as $$
begin
    return company = nullif(current_setting('app.company_id', true), '')::bigint and (
        exists (
            select from lead l
            where l.company_id = $1 and l.id = $2 and l.owner_id <> nullif(current_setting('app.viewer', true), '')::bigint
        ) or exists (
            select from deleted_lead d
            where d.company_id = $1 and d.id = $2 and (d.lead->>'owner_id')::bigint <> nullif(current_setting('app.viewer', true), '')::bigint
        )
    );
end
$$;
comment on function is_hidden_lead is 'Whether the viewer may not see a lead, also one in the recycle bin. A lead that this statement has just written is not hidden. Where one role does everything, it fails: nothing is shown.';

create function is_hidden_address(company bigint, key text) returns boolean
language plpgsql stable security definer
set search_path = "$user", public, pg_temp
set row_security = off
as $$
begin
    return company = nullif(current_setting('app.company_id', true), '')::bigint and exists (
        select from lead l
        where l.company_id = $1 and l.email_key = $2 and l.owner_id <> nullif(current_setting('app.viewer', true), '')::bigint
    );
end
$$;
comment on function is_hidden_address is 'Whether a lead that the viewer may not see has the address. So the address is said to be taken, and not by whom.';

create policy seen on lead as restrictive using (
    current_setting('app.sees', true) is distinct from 'some'
    or owner_id is null or owner_id = nullif(current_setting('app.viewer', true), '')::bigint
) with check (true);

create policy seen on opportunity as restrictive using (
    current_setting('app.sees', true) is distinct from 'some'
    or owner_id is null or owner_id = nullif(current_setting('app.viewer', true), '')::bigint
) with check (true);

create policy seen on event as restrictive using (
    current_setting('app.sees', true) is distinct from 'some'
    or not is_hidden_lead(company_id, lead_id)
) with check (true);

create policy seen on list_member as restrictive using (
    current_setting('app.sees', true) is distinct from 'some'
    or not is_hidden_lead(company_id, lead_id)
) with check (true);

create policy seen on opportunity_lead as restrictive using (
    current_setting('app.sees', true) is distinct from 'some'
    or not is_hidden_lead(company_id, lead_id)
) with check (true);

create policy seen on lead_key as restrictive using (
    current_setting('app.sees', true) is distinct from 'some'
    or not is_hidden_lead(company_id, lead_id)
) with check (true);

create policy seen on merged_lead as restrictive using (
    current_setting('app.sees', true) is distinct from 'some'
    or not is_hidden_lead(company_id, lead_id)
) with check (true);

create policy seen on deleted_lead_part as restrictive using (
    current_setting('app.sees', true) is distinct from 'some'
    or not is_hidden_lead(company_id, lead_id)
) with check (true);

create policy seen on call as restrictive using (
    current_setting('app.sees', true) is distinct from 'some'
    or not is_hidden_lead(company_id, coalesce(lead_id, deleted_lead_id))
) with check (true);

create policy seen on upload as restrictive using (
    current_setting('app.sees', true) is distinct from 'some'
    or not is_hidden_lead(company_id, coalesce(lead_id, deleted_lead_id))
) with check (true);

create policy seen on visitor as restrictive using (
    current_setting('app.sees', true) is distinct from 'some'
    or lead_id is null or not is_hidden_lead(company_id, lead_id)
) with check (true);

create policy seen on page_view as restrictive using (
    current_setting('app.sees', true) is distinct from 'some'
    or exists (select from visitor v where v.company_id = page_view.company_id and v.id = page_view.visitor_id)
) with check (true);

create policy seen on note as restrictive using (
    current_setting('app.sees', true) is distinct from 'some'
    or (what_type is distinct from 'lead' or not is_hidden_lead(company_id, what_id)) and (who_type is distinct from 'lead' or not is_hidden_lead(company_id, who_id))
) with check (true);

create policy seen on task as restrictive using (
    current_setting('app.sees', true) is distinct from 'some'
    or (what_type is distinct from 'lead' or not is_hidden_lead(company_id, what_id)) and (who_type is distinct from 'lead' or not is_hidden_lead(company_id, who_id))
) with check (true);

create policy seen on deleted_lead as restrictive using (
    current_setting('app.sees', true) is distinct from 'some'
    or (lead->>'owner_id') is null or (lead->>'owner_id')::bigint = nullif(current_setting('app.viewer', true), '')::bigint
) with check (true);
