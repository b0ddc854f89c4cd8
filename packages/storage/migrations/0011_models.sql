-- What an organization knows of a model better than the built-in profile, and what is taken while its provider's circuit is open.
alter table models add column profile jsonb, add column fallback_model_id uuid;
