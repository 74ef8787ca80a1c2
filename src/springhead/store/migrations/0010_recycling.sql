-- The recycle bin: leads that were deleted, and what went with them; and the ids that merged leads had.

alter table company add column recycle_days integer not null default 30 check (recycle_days between 0 and 3650);
comment on column company.recycle_days is 'How long a deleted lead can be restored; 0: it is gone at once.';

create table deleted_lead (
    company_id bigint not null,
    id bigint not null,
    deleted_at timestamptz not null,
    email_key text collate "C" not null,
    merged_into bigint,
    lead jsonb not null,
    primary key (company_id, id)
);
comment on table deleted_lead is 'Written by the statement that deletes the lead; a pass (store/recycling.py) removes what is too old.';
comment on column deleted_lead.lead is 'The row as it was, by the names of its columns, without those that were null.';
create index deleted_lead_time on deleted_lead (company_id, deleted_at, id);
create index deleted_lead_email on deleted_lead (company_id, email_key, id);

create table deleted_lead_part (
    company_id bigint not null,
    lead_id bigint not null,
    kind text not null,
    id bigint not null,
    part jsonb not null,
    primary key (company_id, lead_id, kind, id)
);
comment on table deleted_lead_part is 'What a deleted lead had around it: memberships, links, notes, visitors; each written by the statement that took it away.';

create table merged_lead (
    company_id bigint not null,
    id bigint not null,
    lead_id bigint not null,
    create_timestamp timestamptz not null,
    primary key (company_id, id)
);
comment on table merged_lead is 'The ids of leads that were merged into others, which answer to them; never a chain: lead_id is no id of this table.';
create index merged_lead_of_lead on merged_lead (company_id, lead_id);

comment on table event is 'What happened to a lead, written with the change itself; nothing in it is ever changed but whose it is, by a merge.';

-- What is large, or only ever shown with its lead, stays where it is: of a deleted lead, or of none.
alter table upload alter column lead_id drop not null, add column deleted_lead_id bigint;
alter table call alter column lead_id drop not null, add column deleted_lead_id bigint;
create index upload_of_deleted_lead on upload (company_id, deleted_lead_id) where deleted_lead_id is not null;
create index call_of_deleted_lead on call (company_id, deleted_lead_id) where deleted_lead_id is not null;

alter table deleted_lead enable row level security, force row level security;
alter table deleted_lead_part enable row level security, force row level security;
alter table merged_lead enable row level security, force row level security;
create policy own on deleted_lead using (company_id = nullif(current_setting('app.company_id', true), '')::bigint);
create policy own on deleted_lead_part using (company_id = nullif(current_setting('app.company_id', true), '')::bigint);
create policy own on merged_lead using (company_id = nullif(current_setting('app.company_id', true), '')::bigint);
