-- A user whose role sees only its own leads sees and undoes only the own actions (migration 0029).

create policy seen on action as restrictive using (
    current_setting('app.sees', true) is distinct from 'some'
    or user_id = nullif(current_setting('app.viewer', true), '')::bigint
) with check (true);
