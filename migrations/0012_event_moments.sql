-- The moment of the newest event of an environment, in Unix milliseconds, beside its position: time does not
-- run backwards from one event to the next, which had to be looked up for each.
ALTER TABLE environments ADD COLUMN event_moment BIGINT NOT NULL DEFAULT 0;
UPDATE environments SET event_moment = coalesce((SELECT e.created_at FROM events e
    WHERE e.environment_id = environments.id AND e.position = environments.event_position), 0);
