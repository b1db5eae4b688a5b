-- Webhooks. The events are the queue: an endpoint remembers how far it has come in them, and has a
-- row of its own only for an event that was handed over.

CREATE TABLE webhook_endpoints (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    endpoint_url TEXT NOT NULL,
    secret_sealed BYTEA NOT NULL,
    -- enabled or disabled
    status TEXT NOT NULL,
    -- Why it was disabled by the service; NULL: by a person, or not at all.
    disabled_reason TEXT,
    -- The names of the events it wants, a JSON array.
    events TEXT NOT NULL,
    -- The position of the last event that was handed over or passed over.
    position BIGINT NOT NULL,
    -- A second way through the events, from here to there; NULL: nothing is being replayed.
    replay_position BIGINT,
    replay_end BIGINT,
    -- How many attempts failed in a row, and since when.
    failures BIGINT NOT NULL,
    failing_since BIGINT,
    -- Nothing is sent before this moment: the endpoint failed several times in a row.
    paused_until BIGINT NOT NULL,
    -- The node that is sending, and until when it may.
    lease BYTEA,
    leased_until BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (environment_id, endpoint_url)
);

-- An event that was handed over to an endpoint, and how that went.
CREATE TABLE webhook_deliveries (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    webhook_endpoint_id TEXT NOT NULL REFERENCES webhook_endpoints (id) ON DELETE CASCADE,
    event_id TEXT NOT NULL,
    event_name TEXT NOT NULL,
    -- pending, delivered or failed
    state TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    next_attempt_at BIGINT,
    -- How the last attempt went: the status of the answer, or why there was none.
    response_status BIGINT,
    problem TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX webhook_deliveries_by_endpoint ON webhook_deliveries (webhook_endpoint_id, id);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook_endpoint_id, next_attempt_at)
    WHERE state = 'pending';
