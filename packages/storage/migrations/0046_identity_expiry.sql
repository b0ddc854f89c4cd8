-- Those that have run out are looked for from time to time.
create index refresh_tokens_expires on refresh_tokens (expires_at);
create index mail_outbox_created on mail_outbox (created_at);
