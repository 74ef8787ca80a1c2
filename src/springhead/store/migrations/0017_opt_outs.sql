-- Opt-outs belong to addresses, so that an address that comes back as a new lead stays unsubscribed.

create table opt_out (
    company_id bigint not null,
    address_hash bytea not null,
    active boolean not null,
    source text not null,
    change_timestamp timestamptz not null,
    primary key (company_id, address_hash)
);
comment on table opt_out is 'The last decision about the emails to an address. Stays when the lead is deleted or erased (store/leads/opt_outs.py).';
comment on column opt_out.address_hash is 'SHA-256 of the company''s id, a colon and the normalised address (model/leads/opt_outs.py).';
comment on column opt_out.active is 'True: no emails. False: the address has opted in again.';
comment on column opt_out.source is 'What recorded the decision: the method, a form or a link.';
alter table opt_out enable row level security;
create policy own on opt_out using (company_id = nullif(current_setting('app.company_id', true), '')::bigint);

-- Leads that are unsubscribed today, also those in the recycle bin.
alter table lead no force row level security;
alter table deleted_lead no force row level security;
alter table opt_out no force row level security;
insert into opt_out (company_id, address_hash, active, source, change_timestamp)
select company_id, sha256(convert_to(company_id::text || ':' || email_key, 'UTF8')), true, 'migration', update_timestamp
from lead
where is_unsubscribed
on conflict do nothing;
insert into opt_out (company_id, address_hash, active, source, change_timestamp)
select company_id, sha256(convert_to(company_id::text || ':' || email_key, 'UTF8')), true, 'migration', max(deleted_at)
from deleted_lead
where (lead->>'is_unsubscribed')::boolean
group by company_id, email_key
on conflict do nothing;

-- An address can have come back, without its opt-out, while the unsubscribed lead was in the bin. A background job
-- unsubscribes the lead that has the address now.
insert into pass (company_id, kind, subject_id, due_at, created_at)
select distinct l.company_id, 'opt_out', 0, now(), now()
from deleted_lead d
join lead l on l.company_id = d.company_id and l.email_key = d.email_key
where (d.lead->>'is_unsubscribed')::boolean and l.is_unsubscribed is not true
returning id;
