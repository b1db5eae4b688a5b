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
    -- When it last proved who is there: at its sign-in, or before a change of the account.
    confirmed_at BIGINT NOT NULL DEFAULT 0,
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

-- How many logins of an hour ended how; tests are not counted. Made in the background from the
-- attempts of hours that are over, so that no login writes a row more.
CREATE TABLE login_counts (
    environment_id TEXT NOT NULL REFERENCES environments (id),
    -- The moment at which the hour began.
    hour BIGINT NOT NULL,
    status TEXT NOT NULL,
    -- Empty where nothing failed.
    failure_code TEXT NOT NULL,
    count BIGINT NOT NULL,
    PRIMARY KEY (environment_id, hour, status, failure_code)
);

-- What an environment's overview needs, made in the background.
CREATE TABLE overviews (
    environment_id TEXT PRIMARY KEY REFERENCES environments (id),
    -- All hours before this moment are in login_counts.
    counted_until BIGINT NOT NULL,
    -- Connections that need attention, as JSON, and when they were looked for.
    attention TEXT NOT NULL,
    attention_at BIGINT NOT NULL
);

-- What the setup portal, the question before signing in and error pages look like.
CREATE TABLE brandings (
    environment_id TEXT PRIMARY KEY REFERENCES environments (id),
    name TEXT,
    -- #rrggbb
    accent TEXT,
    -- A PNG that we encoded, and a part of its hash, which its address carries.
    logo BYTEA,
    logo_hash TEXT,
    updated_at BIGINT NOT NULL
);

-- Setup links: how an organization's IT administrator gets into the setup portal.
CREATE TABLE setup_links (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    token_hash BYTEA NOT NULL UNIQUE,
    -- api (begun once, within minutes), dashboard (by several people, for weeks) or step (one step)
    kind TEXT NOT NULL,
    -- What may be done through it: a JSON array of words.
    features TEXT NOT NULL,
    -- Of a step that was handed over: the link it came from, the connection and the step.
    parent_id TEXT REFERENCES setup_links (id) ON DELETE CASCADE,
    connection_id TEXT REFERENCES connections (id) ON DELETE CASCADE,
    step TEXT,
    -- The identity provider that is chosen already; NULL: the administrator chooses.
    connection_type TEXT,
    -- For whom it was made, as a note: a JSON array.
    recipients TEXT NOT NULL,
    return_url TEXT,
    success_url TEXT,
    -- How often it was looked at, by people and by the scanners of their mail.
    opened_count BIGINT NOT NULL,
    begun_count BIGINT NOT NULL,
    last_begun_at BIGINT,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT,
    finished_at BIGINT,
    created_at BIGINT NOT NULL
);
CREATE INDEX setup_links_by_organization ON setup_links (organization_id, id);
CREATE INDEX setup_links_by_expiry ON setup_links (expires_at);

-- A browser in which a setup link was begun.
CREATE TABLE setup_sessions (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    link_id TEXT NOT NULL REFERENCES setup_links (id) ON DELETE CASCADE,
    token_hash BYTEA NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    last_seen_at BIGINT NOT NULL,
    -- When it ends whatever happens.
    expires_at BIGINT NOT NULL
);
CREATE INDEX setup_sessions_by_link ON setup_sessions (link_id);
CREATE INDEX setup_sessions_by_expiry ON setup_sessions (expires_at);

-- How far the setup of a connection has come.
CREATE TABLE setup_progress (
    connection_id TEXT PRIMARY KEY REFERENCES connections (id) ON DELETE CASCADE,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    guide TEXT NOT NULL,
    guide_version BIGINT NOT NULL,
    -- What is known of each step: a JSON object.
    steps TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- How administrators get in.

-- One-time links: the first administrator, an invitation, a recovery. Taken by being deleted.
CREATE TABLE administrator_links (
    id TEXT PRIMARY KEY,
    -- first_run, invitation or recovery
    kind TEXT NOT NULL,
    token_hash BYTEA NOT NULL UNIQUE,
    -- Who recovers, or the id that the new administrator will have.
    administrator_id TEXT NOT NULL,
    -- What a new administrator will be; NULL for a recovery.
    role TEXT,
    -- NULL for the first administrator, who says it.
    email TEXT,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE administrator_passkeys (
    id TEXT PRIMARY KEY,
    administrator_id TEXT NOT NULL REFERENCES administrators (id) ON DELETE CASCADE,
    credential_id BYTEA NOT NULL UNIQUE,
    -- SubjectPublicKeyInfo in DER.
    public_key BYTEA NOT NULL,
    -- The COSE algorithm: -7, -8 or -257.
    algorithm BIGINT NOT NULL,
    sign_count BIGINT NOT NULL,
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    last_used_at BIGINT
);
CREATE INDEX administrator_passkeys_by_administrator ON administrator_passkeys (administrator_id);

-- Challenges of passkeys that were answered rightly, so that the answer works once.
CREATE TABLE spent_challenges (
    challenge_hash BYTEA PRIMARY KEY,
    expires_at BIGINT NOT NULL
);

-- Guesses at passwords, by account and by address. The buckets are keyed hashes of a bounded range.
CREATE TABLE sign_in_attempts (
    bucket TEXT PRIMARY KEY,
    count BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    -- No attempt is judged before this moment.
    free_at BIGINT NOT NULL
);

-- The audit trail: rows are added, never changed, and removed by age alone.
CREATE TABLE audit_entries (
    id TEXT PRIMARY KEY,
    environment_id TEXT,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    source TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    actor_name TEXT,
    -- JSON, without secrets.
    details TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- What lists of logins are narrowed by. A login that succeeds pays for the first two; the others hold
-- what is rare.
CREATE INDEX sso_sessions_by_organization ON sso_sessions (organization_id, id);
CREATE INDEX sso_sessions_by_email ON sso_sessions (environment_id, lower(email), id)
    WHERE email IS NOT NULL;
CREATE INDEX sso_sessions_by_failure ON sso_sessions (environment_id, status, id)
    WHERE failure_code IS NOT NULL;
CREATE INDEX sso_sessions_by_origin ON sso_sessions (environment_id, origin, id)
    WHERE origin <> 'application';
