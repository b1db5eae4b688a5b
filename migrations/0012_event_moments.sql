-- The moment of the newest event of an environment, in Unix milliseconds, beside its position: time does not
-- run backwards from one event to the next, which had to be looked up for each.
ALTER TABLE environments ADD COLUMN event_moment BIGINT NOT NULL DEFAULT 0;
