-- What writes with an Idempotency-Key were answered.

create table idempotency (
    company_id bigint not null,
    key text collate "C" not null,
    fingerprint bytea not null,
    answer text,
    created_at timestamptz not null,
    primary key (company_id, key)
);
comment on table idempotency is 'One row for each call with an Idempotency-Key, written in the transaction of the call itself; gone after a day.';
comment on column idempotency.fingerprint is 'SHA-256 of what was asked for, so that a key is not taken for another call.';
comment on column idempotency.answer is 'The outcomes as JSON; null when they were too long to be kept.';
create index idempotency_created on idempotency (company_id, created_at);
alter table idempotency enable row level security, force row level security;
create policy own on idempotency using (company_id = nullif(current_setting('app.company_id', true), '')::bigint);
