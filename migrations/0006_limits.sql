-- What a request with an Idempotency-Key was answered, for whoever sends it again.

CREATE TABLE idempotency_keys (
    environment_id TEXT NOT NULL REFERENCES environments (id),
    -- The hash of what stood in the header.
    key_hash BYTEA NOT NULL,
    -- The fingerprint of the request, the status and the body of its answer. Empty within the
    -- transaction that makes them, never outside of it.
    answer_sealed BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (environment_id, key_hash)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

-- What each node has counted towards the rate limits, for the other nodes. One row a node.

CREATE TABLE rate_counts (
    -- A random name; another one at each start.
    node TEXT PRIMARY KEY,
    -- The minute that is being counted, since 1970.
    minute BIGINT NOT NULL,
    -- What was counted in the minute before and in this one, by what is limited: a JSON object.
    counts TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);
