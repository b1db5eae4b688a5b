//! `docs/reference/openapi.json`, as the service itself answers it.

use super::assert_current;
use crate::support::{Fixture, TestDb, World};

#[tokio::test]
async fn the_description_of_the_api_is_current() {
    let world = World::on(TestDb::sqlite()).await;
    let answer = world.api("GET", "/openapi.json", None).await;
    let document: serde_json::Value = serde_json::from_str(&answer.text()).expect("JSON");
    let text = format!("{document:#}\n");
    assert_current("docs/reference/openapi.json", &text);
}
