-- API keys that an application gives to its customers, for the application's own API.

CREATE TABLE organization_api_keys (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    key_hash BYTEA NOT NULL UNIQUE,
    last_four TEXT NOT NULL,
    -- When it was last found good, to the minute.
    last_used_at BIGINT,
    expires_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX organization_api_keys_by_organization
    ON organization_api_keys (organization_id, id);

CREATE TABLE organization_api_key_permissions (
    api_key_id TEXT NOT NULL REFERENCES organization_api_keys (id) ON DELETE CASCADE,
    permission_id TEXT NOT NULL REFERENCES permissions (id) ON DELETE CASCADE,
    PRIMARY KEY (api_key_id, permission_id)
);
CREATE INDEX organization_api_key_permissions_by_permission
    ON organization_api_key_permissions (permission_id);

-- Origins of pages that may redeem codes and read profiles from within a browser.

CREATE TABLE cors_origins (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    origin TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (environment_id, origin)
);
CREATE INDEX cors_origins_by_origin ON cors_origins (origin);
