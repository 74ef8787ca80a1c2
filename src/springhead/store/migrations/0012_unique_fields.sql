-- Unique custom fields: no two leads have the same value.

create sequence unique_id_seq;
alter table field add column unique_id bigint, add column unique_filled boolean not null default false;
comment on column field.unique_id is 'Not null if the field is unique. A field gets a new number each time it becomes unique, so that values stored under an older number mean nothing.';
comment on column field.unique_filled is 'Whether the values of all leads are in unique_value. A background job stores them.';

create table unique_value (
    company_id bigint not null,
    unique_id bigint not null,
    key bytea not null,
    lead_id bigint not null,
    primary key (company_id, unique_id, key),
    constraint unique_value_lead foreign key (company_id, lead_id) references lead (company_id, id) on delete cascade
);
comment on table unique_value is 'The lead that has a value of a unique field. The primary key decides; the row is deleted with the lead (store/fields/unique_values.py).';
comment on column unique_value.key is 'SHA-256 of the value in its normal form, so that a long value takes no more space than a short one.';
create index unique_value_of_lead on unique_value (company_id, lead_id);
alter table unique_value enable row level security, force row level security;
create policy own on unique_value using (company_id = nullif(current_setting('app.company_id', true), '')::bigint);
