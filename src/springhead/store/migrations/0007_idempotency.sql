-- The answers of calls with an Idempotency-Key.

create table idempotency (
    company_id bigint not null,
    key text collate "C" not null,
    fingerprint bytea not null,
    answer text,
    created_at timestamptz not null,
    primary key (company_id, key)
);
comment on table idempotency is 'A row for each call with an Idempotency-Key, written in the transaction of the call; deleted after a day.';
comment on column idempotency.fingerprint is 'SHA-256 of the request, so that a key does not work for another call.';
comment on column idempotency.answer is 'The outcomes as JSON; null if they were too long to be stored.';
create index idempotency_created on idempotency (company_id, created_at);
alter table idempotency enable row level security, force row level security;
create policy own on idempotency using (company_id = nullif(current_setting('app.company_id', true), '')::bigint);
