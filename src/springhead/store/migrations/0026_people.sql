-- People: the role of each user, how users sign in, and where they are signed in.

alter table user_profile
    add column role text collate "C" not null default 'salesperson',
    add column language text collate "C" not null default 'en',
    add column disabled_at timestamptz;
comment on column user_profile.role is 'One of the six roles, which model/companies/roles.py lists with their rights.';
comment on column user_profile.language is 'The language of the pages, such as en.';
comment on column user_profile.disabled_at is 'When the user was disabled, who then cannot sign in and owns no new leads.';
alter table user_profile no force row level security;
update user_profile set role = 'administrator' where is_administrator;
update user_profile set role = 'salesManager' where not is_administrator;
alter table user_profile drop column is_administrator;

-- The three tables are global: a browser that sends a token does not say of which company it is.
create table sign_in (
    company_id bigint not null references company,
    user_id bigint not null,
    email_key text collate "C" not null,
    password_hash text,
    password_changed_at timestamptz,
    primary key (company_id, user_id)
);
create index sign_in_email on sign_in (email_key);
comment on table sign_in is 'How a user signs in. A person with the same address at two companies has a password for each.';
comment on column sign_in.password_hash is 'Argon2id in the PHC format, null until the user has set a password.';

create table sign_in_link (
    token_sha256 bytea primary key,
    company_id bigint not null references company,
    user_id bigint not null,
    purpose text collate "C" not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null
);
create index sign_in_link_user on sign_in_link (company_id, user_id);
create index sign_in_link_expiry on sign_in_link (expires_at);
comment on table sign_in_link is 'Links that work once: they sign a user in, or let the user set a password. Used links are deleted.';
comment on column sign_in_link.purpose is 'signIn, invite or reset.';

create table user_session (
    token_sha256 bytea primary key,
    id bigint generated always as identity unique,
    company_id bigint not null references company,
    user_id bigint not null,
    created_at timestamptz not null default now(),
    seen_at timestamptz not null default now(),
    user_agent text not null,
    address text not null
);
create index user_session_user on user_session (company_id, user_id, seen_at);
create index user_session_seen on user_session (seen_at);
comment on table user_session is 'The browsers in which users are signed in. The token itself is only in the cookie.';
