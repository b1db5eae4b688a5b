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
