-- The language of a form's page, and the logo above it.

alter table form
    add column language text not null default 'auto',
    add column logo_url text;
alter table form alter column language drop default;
