-- Keys of addresses without invisible characters, as model/leads/leads.py makes them from now on.
--
-- A lead keeps its old key if another lead has the new key already, or if an earlier lead gets it: two leads stay
-- two leads, and one of them is found by its id only (docs/compatibility.md).

alter table lead no force row level security;
alter table deleted_lead no force row level security;

with changing as (
    select company_id, id, email_key, normalize(replace(btrim(regexp_replace(email_key, '[\u0001-\u0008\u000e-\u001b\u007f-\u0084\u0086-\u00a0\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2007\u200b-\u200f\u202a-\u202f\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]', '', 'g')), 'ς', 'σ'), nfc) as new_key
    from lead where email_key ~ '[\u0001-\u0008\u000e-\u001b\u007f-\u0084\u0086-\u00a0\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2007\u200b-\u200f\u202a-\u202f\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fffς]'
),
chosen as (
    select distinct on (company_id, new_key) company_id, id, new_key
    from changing
    where new_key not in ('', email_key)
    order by company_id, new_key, id
)
update lead l set email_key = c.new_key
from chosen c
where l.company_id = c.company_id and l.id = c.id and not exists (
    select from lead o where o.company_id = c.company_id and o.email_key = c.new_key
);

-- The key stands in the stored row of the lead too, with which the lead comes back.
update deleted_lead d
set email_key = n.new_key, lead = jsonb_set(d.lead, '{email_key}', to_jsonb(n.new_key))
from (
    select company_id, id, normalize(replace(btrim(regexp_replace(email_key, '[\u0001-\u0008\u000e-\u001b\u007f-\u0084\u0086-\u00a0\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2007\u200b-\u200f\u202a-\u202f\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]', '', 'g')), 'ς', 'σ'), nfc) as new_key
    from deleted_lead where email_key ~ '[\u0001-\u0008\u000e-\u001b\u007f-\u0084\u0086-\u00a0\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2007\u200b-\u200f\u202a-\u202f\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fffς]'
) as n
where d.company_id = n.company_id and d.id = n.id and n.new_key <> '';
