-- A page view that was received before an erasure, and is written after it, is not recorded.

create table erased_visitor (
    company_id bigint not null,
    tracking_hash bytea not null,
    until timestamptz not null,
    primary key (company_id, tracking_hash)
);
comment on table erased_visitor is 'Visitors who were erased with their lead. Deleted after a month (store/capture/erased_visitors.py).';
comment on column erased_visitor.tracking_hash is 'SHA-256 of the company''s id, a colon and the tracking id.';
comment on column erased_visitor.until is 'Page views that a server received before this time are not recorded.';
alter table erased_visitor enable row level security;
create policy own on erased_visitor using (company_id = nullif(current_setting('app.company_id', true), '')::bigint);
