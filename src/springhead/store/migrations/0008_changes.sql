-- The change feed: the events that changed leads, in the order of their commits.

create table change (
    company_id bigint not null,
    id bigint generated always as identity,
    event_ids bigint[] not null default '{}',
    lead_ids bigint[] not null default '{}',
    created_at timestamptz not null default now(),
    first bigint,
    last bigint,
    primary key (company_id, id)
);
comment on table change is 'A row for each write of leads, in the transaction of the write. Only ids, because servers search all companies for changes (store/feed/changes.py).';
comment on column change.event_ids is 'The events of the changes, in order.';
comment on column change.lead_ids is 'Leads whose score changed: such changes have no event.';
comment on column change.first is 'The number of the first change of the row, given after the commit; null until then.';
create index change_pending on change (company_id, id) where first is null;
create index change_last on change (company_id, last) where last is not null;

create table feed (
    company_id bigint primary key,
    last bigint not null default 0
);
alter table feed enable row level security, force row level security;
create policy own on feed using (company_id = nullif(current_setting('app.company_id', true), '')::bigint);
comment on table feed is 'The number of the company''s last change. The row is locked while changes get their numbers.';
