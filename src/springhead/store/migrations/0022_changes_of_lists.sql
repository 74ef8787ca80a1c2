-- The change feed also has the changes of lists, for the readers that ask for them.

alter table change add column list_ids bigint[] not null default '{}', add column of_lists boolean not null default false;
comment on column change.event_ids is 'The events of the changes, in order.';
comment on column change.lead_ids is 'Leads whose score changed, or with of_lists, whose lists changed: such changes have no event. With event_ids: the leads that joined or left a list, in the order of the events. A merge changes the lead of an event, and does not change these ids.';
comment on column change.list_ids is 'Lists whose members changed all at once: such changes have neither event nor lead.';
comment on column change.of_lists is 'Whether these are changes of lists. Readers that have not asked for them skip the row.';
create index change_of_leads_last on change (company_id, last) where last is not null and not of_lists;
create index change_of_lists_last on change (company_id, last) where last is not null and of_lists;
