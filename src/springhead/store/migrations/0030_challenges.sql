-- A subscription can wait until its receiver has answered a challenge.

alter table subscription add column challenge boolean not null default false, add column passed_url text;
comment on column subscription.passed_url is 'The URL that has answered its challenge.';

alter table push add column challenge_at timestamptz, add column challenge_lease bigint;
comment on column push.challenge_at is 'When a challenge is to be sent. While a worker has the lease, when another may send it.';
create index push_challenge on push (challenge_at) where challenge_at is not null;
