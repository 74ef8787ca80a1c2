-- Names of accounts without case and coding, as store/nouns/folding.py folds texts.

drop index account_key;
alter table account drop column account_key;
alter table account add column account_key text collate "C" generated always as (
    replace(replace(lower(upper(normalize(btrim(
        account_name,
        E' \t\n\r\f\v\u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b\u2028\u2029\u202f\u205f\u2060\u3000\ufeff'
    )))), 'ß', 'ss'), U&'i\0307', 'i')
) stored;
comment on column account.account_key is 'The name as it is compared, without white space around it. A column, because PostgreSQL uses no index over an expression under row-level security: its function could leak.';
create index account_key on account (company_id, account_key, id);

-- Filters find more than before: both codings of accents, flags that were never set. So lists with a filter are filled
-- again, and the keys of duplicates are made again. Scores follow with their next decay.
alter table list no force row level security;
alter table lead_key_mark no force row level security;
insert into pass (company_id, kind, subject_id, cursor, due_at, created_at)
select company_id, 'fill_list', id, 0, now(), now() from list where filter is not null
returning id;
update lead_key_mark set filled_id = 0;
