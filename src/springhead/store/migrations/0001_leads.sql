-- Companies, keys, users, fields, leads and limits.
--
-- company_id comes first in every key of company data, so that the tables can be spread over many
-- machines; ids step by 1024 as the vendor's do, and stay below 2^53 for clients that read numbers
-- as doubles. Ids are no clock: they become visible out of order.

create table company (
    id bigint generated always as identity primary key,
    account_id text not null unique,
    name text not null,
    time_zone text not null default 'UTC',
    per_second integer not null default 10 check (per_second > 0),
    per_day integer not null default 50000 check (per_day > 0),
    objects_per_call integer not null default 500 check (objects_per_call > 0),
    field_version bigint not null default 0,
    created_at timestamptz not null default now()
);
comment on column company.field_version is 'Rises with every change of a custom field; statements check the version that they were built from.';

create table api_key (
    id bigint generated always as identity primary key,
    company_id bigint not null references company,
    label text not null,
    secret_sha256 bytea not null,
    plain_success boolean not null default false,
    created_at timestamptz not null default now(),
    revoked_at timestamptz
);
create index api_key_company on api_key (company_id);
comment on column api_key.secret_sha256 is 'The secret itself is shown once and never stored.';
comment on column api_key.plain_success is 'Successful writes answer error: null instead of [].';

create table user_profile (
    company_id bigint not null,
    id bigint generated always as identity (start with 300000256 increment by 1024),
    first_name text not null default '',
    last_name text not null default '',
    display_name text not null,
    email_address text not null,
    email_key text collate "C" not null,
    is_active boolean not null default true,
    is_reseller boolean not null default false,
    is_administrator boolean not null default false,
    user_timezone text,
    phone text,
    created_at timestamptz not null default now(),
    primary key (company_id, id),
    constraint user_profile_email unique (company_id, email_key)
);

create table field (
    company_id bigint not null,
    id bigint generated always as identity (start with 400000000 increment by 1024),
    relationship text not null,
    system_name text not null,
    label text not null,
    source text not null,
    data_type text not null,
    data_length bigint not null,
    is_required boolean not null,
    is_available_in_contact_manager boolean not null,
    is_editable_in_contact_manager boolean not null,
    is_available_in_forms boolean not null,
    is_active boolean not null,
    options jsonb not null default '[]',
    created_at timestamptz not null default now(),
    primary key (company_id, id),
    constraint field_system_name unique (company_id, system_name)
);

create table lead (
    company_id bigint not null,
    id bigint generated always as identity (start with 100000000000 increment by 1024),
    email_key text collate "C" not null,
    account_id bigint,
    owner_id bigint,
    campaign_id bigint,
    lead_score smallint not null,
    lead_score_weighted smallint not null,
    active boolean not null,
    is_unsubscribed boolean,
    version integer not null default 1,
    create_timestamp timestamptz not null,
    update_timestamp timestamptz not null,
    lead_status text not null,
    email_address text not null,
    company_name text,
    title text,
    first_name text,
    last_name text,
    street text,
    city text,
    country text,
    state text,
    zipcode text,
    website text,
    phone_number text,
    office_phone_number text,
    phone_number_extension text,
    mobile_phone_number text,
    fax_number text,
    description text,
    industry text,
    persona text,
    tracking_id text,
    custom jsonb not null default '{}',
    primary key (company_id, id),
    constraint lead_email unique (company_id, email_key)
);
comment on column lead.email_key is 'The normalised email that makes a lead unique; computed in Python (model/leads.py).';
comment on column lead.custom is 'Values of custom fields by system name.';
comment on column lead.version is 'Rises by one with every change of the lead.';
create index lead_active on lead (company_id, id) where active;
create index lead_created on lead (company_id, create_timestamp, id) where active;
create index lead_updated on lead (company_id, update_timestamp, id) where active;

create table lead_shift (
    company_id bigint primary key,
    generation bigint not null
);
comment on table lead_shift is 'Rises when an offset can come to mean another lead (delete, active); remembered page starts hold while it stands still.';

create table call_budget (
    company_id bigint primary key,
    at_us bigint not null,
    next_us bigint not null,
    day date not null,
    used bigint not null,
    granted bigint not null
) with (fillfactor = 50);
comment on table call_budget is 'What a company has used of its calls, by the clock of the database (store/limits.py).';
comment on column call_budget.at_us is 'When calls were last asked for, in microseconds since 1970.';
comment on column call_budget.next_us is 'The theoretical arrival time of the next call, in microseconds since 1970.';
comment on column call_budget.used is 'The calls of the day (UTC).';
comment on column call_budget.granted is 'How many calls the last asking got: returning cannot compute it.';

-- The second wall: whatever a statement forgets, a connection sees the company it is set to, or nothing.
alter table user_profile enable row level security, force row level security;
alter table field enable row level security, force row level security;
alter table lead enable row level security, force row level security;
alter table lead_shift enable row level security, force row level security;
alter table call_budget enable row level security, force row level security;
create policy own on user_profile using (company_id = nullif(current_setting('app.company_id', true), '')::bigint);
create policy own on field using (company_id = nullif(current_setting('app.company_id', true), '')::bigint);
create policy own on lead using (company_id = nullif(current_setting('app.company_id', true), '')::bigint);
create policy own on lead_shift using (company_id = nullif(current_setting('app.company_id', true), '')::bigint);
create policy own on call_budget using (company_id = nullif(current_setting('app.company_id', true), '')::bigint);
