-- What an API key may do: full (everything in its environment) or read.

ALTER TABLE api_keys ADD COLUMN access TEXT NOT NULL DEFAULT 'full';
