//! All tests that use Vestibule from outside, in one binary. Folders mirror what they test.

mod support;

mod api;
mod dashboard;
mod delivery;
mod docs;
mod doctor;
mod e2e;
mod layering;
mod manifest;
mod portal;
mod sources;
mod sso;
mod storage;
