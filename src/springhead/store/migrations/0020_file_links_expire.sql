-- How many days after its upload the address of a file works; 0 is without end.

alter table site add column file_link_days integer not null default 0;
