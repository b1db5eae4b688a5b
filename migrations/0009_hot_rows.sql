-- For PostgreSQL alone. Each check of a foreign key locks the row that it refers to, shared among all who
-- check at once. Every login of an environment checked its row a few times while every event changes
-- it, and every login of a connection the row of the connection: PostgreSQL spent a tenth of its time on
-- these checks, and almost as much on lists of who shares the locks. Environments are never deleted; what a connection gave goes with its
-- profiles, which still refer to it.

ALTER TABLE sso_sessions DROP CONSTRAINT IF EXISTS sso_sessions_environment_id_fkey;
ALTER TABLE events DROP CONSTRAINT IF EXISTS events_environment_id_fkey;
ALTER TABLE authorization_codes DROP CONSTRAINT IF EXISTS authorization_codes_environment_id_fkey;
ALTER TABLE authorization_codes DROP CONSTRAINT IF EXISTS authorization_codes_connection_id_fkey;
ALTER TABLE access_tokens DROP CONSTRAINT IF EXISTS access_tokens_environment_id_fkey;
ALTER TABLE access_tokens DROP CONSTRAINT IF EXISTS access_tokens_connection_id_fkey;
ALTER TABLE id_tokens DROP CONSTRAINT IF EXISTS id_tokens_environment_id_fkey;
ALTER TABLE idp_sessions DROP CONSTRAINT IF EXISTS idp_sessions_environment_id_fkey;
ALTER TABLE idp_sessions DROP CONSTRAINT IF EXISTS idp_sessions_connection_id_fkey;
