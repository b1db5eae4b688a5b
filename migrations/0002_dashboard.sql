-- The dashboard and the setup portal: who administers, and what is needed to look around.

-- Those who administer the installation; they belong to no environment.
CREATE TABLE administrators (
    id TEXT PRIMARY KEY,
    -- In lower case.
    email TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    -- admin, developer or support
    role TEXT NOT NULL,
    -- Argon2id in the PHC string format; NULL: signs in with passkeys only.
    password_hash TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    last_sign_in_at BIGINT
);

-- A browser in which an administrator is signed in.
CREATE TABLE administrator_sessions (
    id TEXT PRIMARY KEY,
    administrator_id TEXT NOT NULL REFERENCES administrators (id) ON DELETE CASCADE,
    token_hash BYTEA NOT NULL UNIQUE,
    ip_address TEXT,
    user_agent TEXT,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    -- When the session ends whatever happens.
    expires_at BIGINT NOT NULL
);
CREATE INDEX administrator_sessions_by_administrator ON administrator_sessions (administrator_id);

-- Test sign-ins: logins that end at a page of ours and leave nothing but their session behind.
-- Who began an attempt: application, identity_provider, dashboard_test or portal_test.
ALTER TABLE sso_sessions ADD COLUMN origin TEXT NOT NULL DEFAULT 'application';
-- The administrator or the setup link that began a test; NULL for logins.
ALTER TABLE sso_sessions ADD COLUMN started_by TEXT;
-- What came of a test, as JSON.
ALTER TABLE sso_sessions ADD COLUMN test_result TEXT;

-- The verification of domains by DNS.
-- When it was begun again; 0: it began with the domain.
ALTER TABLE organization_domains ADD COLUMN pending_since BIGINT NOT NULL DEFAULT 0;
-- When DNS is asked next, if the domain is pending, and how often it was asked by itself.
ALTER TABLE organization_domains ADD COLUMN check_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE organization_domains ADD COLUMN check_count BIGINT NOT NULL DEFAULT 0;
-- The last check and what it found, as JSON.
ALTER TABLE organization_domains ADD COLUMN checked_at BIGINT;
ALTER TABLE organization_domains ADD COLUMN check_result TEXT;
CREATE INDEX organization_domains_to_check ON organization_domains (check_at)
    WHERE state = 'pending';
