-- Whether a submission of a form overwrites the values of a lead that the company knows already.

alter table form add column updates_known_leads boolean not null default false;
alter table form alter column updates_known_leads drop default;
