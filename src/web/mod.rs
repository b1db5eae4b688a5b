//! What the faces share, where one of them would otherwise have to see another.

pub mod request_id;
