-- Secrets are encrypted with a key that is not in the database (store/database/box.py). A background job encrypts those of
-- earlier versions. The columns in clear stay until no such version is left.

alter table site add column encrypted_signing_key bytea, alter column signing_key drop not null;
comment on column site.encrypted_signing_key is 'The signing key, encrypted. It signs links and forms (model/capture/signing.py).';
comment on column site.signing_key is 'In clear: of an earlier version, until it is encrypted.';

alter table subscription add column encrypted_secret bytea, add column encrypted_previous bytea,
    alter column secret drop not null, alter column secret drop default;
comment on column subscription.encrypted_secret is 'The secret that signs pushes, encrypted.';
comment on column subscription.encrypted_previous is 'The secret that signs pushes too, until previous_until, encrypted.';
comment on column subscription.secret is 'In clear: of an earlier version, until it is encrypted.';
comment on column subscription.previous_secret is 'In clear: of an earlier version, until it is encrypted.';

alter table idempotency add column encrypted_answer bytea;
comment on column idempotency.encrypted_answer is 'The outcomes as JSON, encrypted; null if they were too long to be stored.';
comment on column idempotency.answer is 'In clear: of an earlier version, until it is encrypted.';

-- The second job finds what servers of an earlier version still write until they are restarted.
insert into pass (company_id, kind, subject_id, due_at, created_at)
select company_id, 'encrypt', 0, now(), now() from site
returning id;
insert into pass (company_id, kind, subject_id, due_at, created_at)
select company_id, 'encrypt', 1, now() + interval '1 day', now() from site
returning id;
