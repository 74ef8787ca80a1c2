-- Names of accounts in full case folding and without compatibility forms, as store/nouns/folding.py folds texts.
-- The table is written anew: 25 seconds for a million accounts. Names that become equal stay two accounts.

drop index account_key;
alter table account drop column account_key;
alter table account add column account_key text collate "C" generated always as (
    btrim(normalize(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(lower(upper(normalize(regexp_replace(account_name, '[\U000000ad\U0000034f\U0000061c\U0000115f\U00001160\U000017b4\U000017b5\U0000180b-\U0000180f\U0000200b\U0000200e\U0000200f\U0000202a-\U0000202e\U00002060-\U0000206f\U00003164\U0000fe00-\U0000fe0f\U0000feff\U0000ffa0\U0000fff0-\U0000fffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff\U0000200c\U0000200d]', '', 'g'), nfkd))), U&'\+0000df', U&'ss'), U&'\+0003c2', U&'\+0003c3'), U&'i\+000307', U&'i'), U&' \+000301', U&''''), U&'\+002018', U&''''), U&'\+002019', U&''''), U&'\+0002bb', U&''''), U&'\+0002bc', U&''''), U&'\+002032', U&''''), U&'\+00201c', U&'"'), U&'\+00201d', U&'"'), U&'\+00201e', U&'"'), U&'\+002010', U&'-'), U&'\+002011', U&'-'), U&'\+002013', U&'-'), U&'\+002014', U&'-'), U&'\+002015', U&'-'), U&'\+002212', U&'-'), U&'\+0000a0', U&' '), U&'\+00202f', U&' ')), E' \t\n\r\f\v\u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u200b\u2028\u2029\u202f\u205f\u2060\u3000\ufeff')
) stored;
comment on column account.account_key is 'The name as it is compared, without white space around it. A column, because PostgreSQL uses no index over an expression under row-level security: its function could leak.';
create index account_key on account (company_id, account_key, id);

-- Filters find more than before, so lists with a filter are filled again. Scores follow with their next decay.
alter table list no force row level security;
insert into pass (company_id, kind, subject_id, cursor, due_at, created_at)
select company_id, 'fill_list', id, 0, now(), now() from list l
where filter is not null and not exists (
    select from pass p
    where p.company_id = l.company_id and p.kind = 'fill_list' and p.subject_id = l.id and p.cursor = 0
)
returning id;
