//! Tests against a small identity provider.
