-- Logging out: at the identity provider, and at its word.

-- When the person was logged out of what this login gave; NULL: not that we know.
ALTER TABLE sso_sessions ADD COLUMN logged_out_at BIGINT;

-- What a login of a profile gave is found by its codes, which are kept for a day.
CREATE INDEX authorization_codes_by_profile ON authorization_codes (profile_id);

-- The ID token of the last login of a profile, kept to be shown to the identity provider when the
-- person logs out (`id_token_hint`).
CREATE TABLE id_tokens (
    profile_id TEXT PRIMARY KEY REFERENCES profiles (id) ON DELETE CASCADE,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    -- The login that brought it.
    sso_session_id TEXT NOT NULL,
    token_sealed BYTEA NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX id_tokens_by_expiry ON id_tokens (expires_at);

-- Which of our logins came from which session of the identity provider (`sid`).
CREATE TABLE idp_sessions (
    connection_id TEXT NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    -- In the identity provider's own words, compared byte for byte.
    sid TEXT NOT NULL,
    sso_session_id TEXT NOT NULL,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    profile_id TEXT NOT NULL,
    -- The code that the login was answered with.
    code_hash BYTEA NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (connection_id, sid, sso_session_id)
);
CREATE INDEX idp_sessions_by_expiry ON idp_sessions (expires_at);

-- Logout tokens of identity providers that were obeyed, so that each is obeyed once.
CREATE TABLE spent_logout_tokens (
    connection_id TEXT NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    jti_hash BYTEA NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (connection_id, jti_hash)
);
CREATE INDEX spent_logout_tokens_by_expiry ON spent_logout_tokens (expires_at);

-- Logouts that an application asked for.
CREATE TABLE logouts (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    connection_id TEXT NOT NULL REFERENCES connections (id) ON DELETE CASCADE,
    profile_id TEXT NOT NULL,
    token_hash BYTEA NOT NULL UNIQUE,
    -- authorized (the application has the token), departed (the browser is at the identity provider)
    -- or done
    step TEXT NOT NULL,
    -- Where the browser goes at the end: a registered URI; NULL: it stays on our own page.
    return_to TEXT,
    -- Of a browser at the identity provider: hashes of the secrets in `state` and in its cookie.
    state_hash BYTEA,
    browser_hash BYTEA,
    expires_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX logouts_by_expiry ON logouts (expires_at);

-- The keys that an environment signs access tokens with.
CREATE TABLE signing_keys (
    -- The `kid`.
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    -- PKCS #8, sealed.
    private_key_sealed BYTEA NOT NULL,
    -- The public half as a JWK (RFC 7517), as JSON.
    jwk TEXT NOT NULL,
    -- From when on it signs.
    signs_from BIGINT NOT NULL,
    -- Until when it is published; NULL: until it is replaced.
    published_until BIGINT,
    created_at BIGINT NOT NULL
);
CREATE INDEX signing_keys_by_environment ON signing_keys (environment_id, signs_from);
