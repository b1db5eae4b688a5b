//! Rules of redirect URIs: what may be registered, and what matches.
