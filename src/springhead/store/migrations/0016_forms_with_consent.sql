-- The text of a form's consent box. A form without a text has no box.

alter table form add column consent_text text;
