-- What a login gives is in its own row: the code that the application redeems, and the access token that
-- it gets for it. The id of the login is in the text of both, so that they are found without an index of
-- their own. (Tables authorization_codes and access_tokens are not written any more; what is left
-- in them is forgotten within a day.)

-- The hash of the code's secret.
ALTER TABLE sso_sessions ADD COLUMN code_hash BYTEA;
-- The hash of the request that spent the code; NULL: nobody did.
ALTER TABLE sso_sessions ADD COLUMN request_hash BYTEA;
-- The hash of the access token; NULL: there is none, or it was revoked.
ALTER TABLE sso_sessions ADD COLUMN token_hash BYTEA;
ALTER TABLE sso_sessions ADD COLUMN token_expires_at BIGINT;

-- Who is logged out is logged out of what their logins gave.
CREATE INDEX sso_sessions_by_profile ON sso_sessions (profile_id, id) WHERE profile_id IS NOT NULL;
