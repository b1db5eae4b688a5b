//! Tests: one binary, one folder a face.

mod api;
