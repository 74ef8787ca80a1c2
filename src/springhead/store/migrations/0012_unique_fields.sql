-- Custom fields that no two leads have alike.

create sequence unique_id_seq;
alter table field add column unique_id bigint, add column unique_filled boolean not null default false;
comment on column field.unique_id is 'Not null when the field is unique: a number that every marking gets anew, so that what an earlier one left means nothing.';
comment on column field.unique_filled is 'Whether the values of all leads are in unique_value: a pass puts them there.';

create table unique_value (
    company_id bigint not null,
    unique_id bigint not null,
    key bytea not null,
    lead_id bigint not null,
    primary key (company_id, unique_id, key),
    constraint unique_value_lead foreign key (company_id, lead_id) references lead (company_id, id) on delete cascade
);
comment on table unique_value is 'Which lead has which value of a unique field; its key decides, and goes with the lead (store/unique.py).';
comment on column unique_value.key is 'SHA-256 of the value in its normal form: as long for a page as for a word.';
create index unique_value_of_lead on unique_value (company_id, lead_id);
alter table unique_value enable row level security, force row level security;
create policy own on unique_value using (company_id = nullif(current_setting('app.company_id', true), '')::bigint);
