-- Indexes of the leads that get no messages: few of all leads, and getRemovedListMembers reads only them.

create index lead_unsubscribed on lead (company_id, id) where is_unsubscribed;
create index lead_hard_bounced on lead (company_id, id) where hard_bounced;
