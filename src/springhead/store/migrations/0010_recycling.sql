-- The recycle bin: deleted leads, and the rows that were deleted with them; and the ids of merged leads.

alter table company add column recycle_days integer not null default 30 check (recycle_days between 0 and 3650);
comment on column company.recycle_days is 'Days in which a deleted lead can be restored; 0: it is deleted at once.';

create table deleted_lead (
    company_id bigint not null,
    id bigint not null,
    deleted_at timestamptz not null,
    email_key text collate "C" not null,
    merged_into bigint,
    lead jsonb not null,
    primary key (company_id, id)
);
comment on table deleted_lead is 'The recycle bin: written by the statement that deletes the lead. A background job deletes old rows (store/lifecycle/recycling.py).';
comment on column deleted_lead.lead is 'The row of the lead by the names of its columns, without null columns.';
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
comment on table deleted_lead_part is 'What was deleted with a lead: memberships, links, notes, visitors. Written by the statement that deleted it.';

create table merged_lead (
    company_id bigint not null,
    id bigint not null,
    lead_id bigint not null,
    create_timestamp timestamptz not null,
    primary key (company_id, id)
);
comment on table merged_lead is 'The ids of merged leads; each stands for the survivor lead_id. Never a chain: lead_id is no id of this table.';
create index merged_lead_of_lead on merged_lead (company_id, lead_id);

comment on table event is 'Events of leads, written with the change that they record. Nothing in them is ever changed, except the lead, by a merge.';

-- Files and calls of a deleted lead stay in their tables: files are large, and calls are shown with a lead only.
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
