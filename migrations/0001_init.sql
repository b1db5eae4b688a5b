-- Ids are a prefix and a ULID, moments Unix milliseconds, flags 0 or 1, lists and objects JSON.
-- What names no environment is reached only through what does.

-- What belongs to the installation itself, such as the proof that the sealing key is the right one.
CREATE TABLE installation (
    name TEXT PRIMARY KEY,
    value BYTEA NOT NULL
);

CREATE TABLE environments (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    -- sandbox or production
    kind TEXT NOT NULL,
    client_id TEXT NOT NULL UNIQUE,
    settings TEXT NOT NULL,
    -- The position of the newest event: raised in the transaction that records one, so that
    -- positions come in the order of commits, which ULIDs do not.
    event_position BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE api_keys (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    name TEXT NOT NULL,
    key_hash BYTEA NOT NULL UNIQUE,
    last_four TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
);
CREATE INDEX api_keys_by_environment ON api_keys (environment_id, id);

CREATE TABLE redirect_uris (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    uri TEXT NOT NULL,
    is_default BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (environment_id, uri)
);
-- Of two first registrations at once, one becomes the default.
CREATE UNIQUE INDEX redirect_uris_by_default ON redirect_uris (environment_id)
    WHERE is_default = 1;

CREATE TABLE organizations (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    name TEXT NOT NULL,
    external_id TEXT,
    stripe_customer_id TEXT,
    metadata TEXT NOT NULL,
    allow_profiles_outside_organization BIGINT NOT NULL,
    -- The slug of the role that people without a matching group get; NULL: the environment's.
    default_role_slug TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX organizations_by_environment ON organizations (environment_id, id);
CREATE UNIQUE INDEX organizations_by_external_id ON organizations (environment_id, external_id)
    WHERE external_id IS NOT NULL;

CREATE TABLE organization_domains (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    domain TEXT NOT NULL,
    -- pending, verified or failed
    state TEXT NOT NULL,
    -- dns or manual
    verification_strategy TEXT NOT NULL,
    verification_prefix TEXT NOT NULL,
    verification_token TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (organization_id, domain)
);
-- Of two organizations that verify one domain at once, one wins.
CREATE UNIQUE INDEX organization_domains_by_verified_domain
    ON organization_domains (environment_id, domain) WHERE state = 'verified';
CREATE INDEX organization_domains_by_domain ON organization_domains (environment_id, domain);

CREATE TABLE roles (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    -- NULL: a role of the whole environment.
    organization_id TEXT REFERENCES organizations (id) ON DELETE CASCADE,
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    -- The lower, the more important: of several matching roles the lowest wins.
    priority BIGINT NOT NULL,
    -- Of the roles of the environment, one is the default.
    is_default BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX roles_by_slug ON roles (environment_id, slug) WHERE organization_id IS NULL;
CREATE UNIQUE INDEX roles_by_organization_and_slug ON roles (organization_id, slug)
    WHERE organization_id IS NOT NULL;

CREATE TABLE permissions (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    slug TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    is_system BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (environment_id, slug)
);

CREATE TABLE role_permissions (
    role_id TEXT NOT NULL REFERENCES roles (id) ON DELETE CASCADE,
    permission_id TEXT NOT NULL REFERENCES permissions (id) ON DELETE CASCADE,
    PRIMARY KEY (role_id, permission_id)
);

CREATE TABLE connections (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    connection_type TEXT NOT NULL,
    name TEXT NOT NULL,
    -- draft, validating, active or inactive
    state TEXT NOT NULL,
    -- The random part of the callback path; never used again after the connection is deleted.
    external_key TEXT NOT NULL UNIQUE,
    -- Raised by every change that a login in progress must notice.
    version BIGINT NOT NULL,
    -- How the identity provider is spoken to; NULL until it is configured.
    settings TEXT,
    client_secret_sealed BYTEA,
    -- The second slot, so that a secret can be rotated without a failed login.
    next_client_secret_sealed BYTEA,
    -- What is done with the claims: see model::connection::Policy.
    policy TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX connections_by_environment ON connections (environment_id, id);
CREATE INDEX connections_by_organization ON connections (organization_id, id);

CREATE TABLE connection_groups (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    connection_id TEXT NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    -- The group as the identity provider names it, compared byte for byte.
    idp_id TEXT NOT NULL,
    name TEXT,
    role_id TEXT NOT NULL REFERENCES roles (id),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (connection_id, idp_id)
);
CREATE INDEX connection_groups_by_role ON connection_groups (role_id);

CREATE TABLE profiles (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    organization_id TEXT NOT NULL,
    connection_id TEXT NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    connection_type TEXT NOT NULL,
    -- The identity provider's `sub`, compared byte for byte.
    idp_id TEXT NOT NULL,
    email TEXT NOT NULL,
    first_name TEXT,
    last_name TEXT,
    name TEXT,
    -- JSON arrays and objects; `groups` is NULL where the identity provider sent none.
    roles TEXT NOT NULL,
    groups TEXT,
    custom_attributes TEXT NOT NULL,
    raw_attributes TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (connection_id, idp_id)
);

-- One login attempt and its trace. Kept when its connection is deleted.
CREATE TABLE sso_sessions (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    organization_id TEXT,
    connection_id TEXT,
    connection_version BIGINT NOT NULL,
    -- in_progress, success, failed or timed_out
    status TEXT NOT NULL,
    -- Where a login in progress stands: departed, arrived, consent or issued.
    step TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    code_challenge TEXT,
    -- Hashes of the secret in `state` (later: of the consent form) and of the browser's cookie.
    state_hash BYTEA NOT NULL,
    browser_hash BYTEA NOT NULL,
    -- What must be remembered until the login ends, sealed; NULL afterwards.
    memory_sealed BYTEA,
    trace TEXT NOT NULL,
    failure_code TEXT,
    failure_owner TEXT,
    email TEXT,
    profile_id TEXT,
    ip_address TEXT,
    user_agent TEXT,
    expires_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX sso_sessions_by_environment ON sso_sessions (environment_id, id);
CREATE INDEX sso_sessions_by_connection ON sso_sessions (connection_id, id);
CREATE INDEX sso_sessions_in_progress ON sso_sessions (expires_at) WHERE status = 'in_progress';

CREATE TABLE authorization_codes (
    code_hash BYTEA PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    connection_id TEXT NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    profile_id TEXT NOT NULL REFERENCES profiles (id) ON DELETE CASCADE,
    sso_session_id TEXT NOT NULL,
    redirect_uri TEXT NOT NULL,
    code_challenge TEXT,
    expires_at BIGINT NOT NULL,
    -- A spent code stays until it is purged, so that a replay is noticed.
    consumed_at BIGINT,
    -- The request that spent it, so that its retry gets the same answer.
    request_hash BYTEA
);
CREATE INDEX authorization_codes_by_expiry ON authorization_codes (expires_at);
CREATE INDEX authorization_codes_by_connection ON authorization_codes (connection_id);

CREATE TABLE access_tokens (
    token_hash BYTEA PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    connection_id TEXT NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    profile_id TEXT NOT NULL REFERENCES profiles (id) ON DELETE CASCADE,
    code_hash BYTEA NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT
);
CREATE INDEX access_tokens_by_code ON access_tokens (code_hash);
CREATE INDEX access_tokens_by_expiry ON access_tokens (expires_at);
CREATE INDEX access_tokens_by_connection ON access_tokens (connection_id);

CREATE TABLE events (
    environment_id TEXT NOT NULL REFERENCES environments (id),
    position BIGINT NOT NULL,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    organization_id TEXT,
    data TEXT NOT NULL,
    context TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (environment_id, position)
);
