-- Whether submissions of a form wait for a confirmation of the address. The change feed also has submissions and
-- confirmations, for the readers that ask for them.

alter table form add column double_opt_in boolean not null default false;
alter table form alter column double_opt_in drop default;

alter table change add column of_forms boolean not null default false;
comment on column change.of_lists is 'Whether these are changes of lists or events of forms. Readers that have asked for neither skip the row.';
comment on column change.of_forms is 'Whether these are events of forms. Readers that have not asked for them skip the row.';
create index change_of_forms_last on change (company_id, last) where last is not null and of_forms;
