-- A push that began before an erasure stores nothing that its receiver said, because that may repeat data of the erased lead.

alter table push add column erasures bigint not null default 0;
comment on column push.erasures is 'Counts the erasures of the company. If it grows while a push is under way, the answer to the push is not stored.';

drop index delivery_answered;
create index delivery_with_answer on delivery (company_id, id) where answer is not null or error is not null;
