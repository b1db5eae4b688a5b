-- For PostgreSQL alone, as the migration before. A code and an access token refer to a profile, and each of
-- them locked the profile's row for its check. What refers to a profile that is gone is of no use to anybody,
-- since it is looked for together with the profile; it is a hash, and ends within a day. (The ID token that is
-- kept for a logout goes with its profile, as it did: it is about the person.) Environments are never deleted.

ALTER TABLE authorization_codes DROP CONSTRAINT IF EXISTS authorization_codes_profile_id_fkey;
ALTER TABLE access_tokens DROP CONSTRAINT IF EXISTS access_tokens_profile_id_fkey;
ALTER TABLE profiles DROP CONSTRAINT IF EXISTS profiles_environment_id_fkey;
