-- What lists of the dashboard are narrowed by, where a million rows would have to be read otherwise.
-- A login that succeeds pays for the first index alone: two entries, one for each of its events.

CREATE INDEX events_by_organization ON events (organization_id, position)
    WHERE organization_id IS NOT NULL;
-- What is not recorded by every login; see model::event.
CREATE INDEX events_by_name ON events (environment_id, name, position)
    WHERE name NOT IN ('authentication.sso_started', 'authentication.sso_succeeded');
CREATE INDEX events_by_organization_and_name ON events (organization_id, name, position)
    WHERE name NOT IN ('authentication.sso_started', 'authentication.sso_succeeded');

-- The connection of a large organization has so many logins that what is rare among them must be found
-- as it is in the whole environment; see model::sso_session.
CREATE INDEX sso_sessions_by_connection_and_failure ON sso_sessions (connection_id, status, id)
    WHERE failure_code IS NOT NULL;
CREATE INDEX sso_sessions_by_connection_and_origin ON sso_sessions (connection_id, origin, id)
    WHERE origin <> 'application';
CREATE INDEX sso_sessions_by_test ON sso_sessions (environment_id, status, id)
    WHERE origin IN ('dashboard_test', 'portal_test');
CREATE INDEX sso_sessions_by_connection_and_test ON sso_sessions (connection_id, status, id)
    WHERE origin IN ('dashboard_test', 'portal_test');
