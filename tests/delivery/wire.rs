//! What a delivery is on the wire: its headers are ours alone, and its moments tell the order.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::receiver::{Mood, Receiver};
use super::{HOUR_MS, id};
use crate::support::{World, both_engines};

/// The headers that a delivery has, each once.
const HEADERS: [&str; 7] = [
    "accept-encoding",
    "content-length",
    "content-type",
    "host",
    "traceparent",
    "user-agent",
    "workos-signature",
];
/// What would be headers and another request, if it came to the wire as it is.
const INJECTED: &str = "x\r\nX-Injected: yes\r\n\r\nPOST /injected HTTP/1.1\r\n\r\n";

/// Takes one request byte for byte, and answers it: its head and its body.
async fn take(listener: &TcpListener) -> (String, Vec<u8>) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut bytes = Vec::new();
    loop {
        let read = stream.read_buf(&mut bytes).await.unwrap();
        assert!(read > 0, "it ended early");
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_lowercase();
        let (_, length) = head.split_once("content-length: ").expect("a length");
        let length: usize = length.lines().next().unwrap().parse().unwrap();
        if bytes.len() >= end + 4 + length {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            return (head, bytes.split_off(end + 4));
        }
    }
}

both_engines! {
    async fn whk_10_data_of_an_event_stays_in_the_body(world: World) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        for odd in ["\r\nX-Injected: yes", "?a=b\nc", " c", "\tc", "\u{85}c"] {
            let body = json!({
                "endpoint_url": format!("{url}{odd}"), "events": ["organization.created"],
            });
            let refused = world.api("POST", "/webhook_endpoints", Some(&body)).await;
            assert_eq!(refused.status, 422, "{odd:?}: {}", refused.text());
            assert_eq!(refused.json()["code"], "invalid_url", "{odd:?}");
        }
        let body = json!({ "endpoint_url": url, "events": ["organization.created"] });
        assert_eq!(world.api("POST", "/webhook_endpoints", Some(&body)).await.status, 201);
        let new = json!({ "name": "Acme", "metadata": { "note": INJECTED } });
        assert_eq!(world.api("POST", "/organizations", Some(&new)).await.status, 201);
        let (delivered, (head, body)) = tokio::join!(
            vestibule::delivery::drain(world.app()),
            take(&listener),
        );
        delivered.unwrap();
        assert!(head.starts_with("post /hook http/1.1\r\n"), "{head}");
        let names = head.lines().skip(1).map(|line| line.split_once(':').expect("a header").0);
        let mut names: Vec<&str> = names.filter(|name| *name != "accept").collect();
        names.sort_unstable();
        assert!(names.iter().all(|name| HEADERS.contains(name)), "{head}");
        assert!(names.windows(2).all(|two| two[0] != two[1]), "twice: {head}");
        assert!(!head.contains("injected"), "{head}");
        let event: Value = serde_json::from_slice(&body).expect("one JSON text and nothing else");
        assert_eq!(event["data"]["metadata"]["note"], INJECTED);
        assert!(!body.windows(2).any(|two| two == b"\r\n"), "it is escaped");
    }

    async fn whk_12_the_moments_of_events_tell_their_order(world: World) {
        let receiver = Receiver::start().await;
        receiver.is(Mood::Broken);
        world.endpoint(&receiver, &["organization.created", "organization.updated"]).await;
        let new = json!({ "name": "Version 0" });
        let made = world.api("POST", "/organizations", Some(&new)).await.json();
        world.deliver().await;
        receiver.is(Mood::Fine);
        let path = format!("/organizations/{}", id(&made));
        // The clock of the node that goes on is behind by less and by more.
        for (version, step) in [(1, -30_000), (2, 10_000), (3, 40_000), (4, -2 * HOUR_MS)] {
            world.clock.advance_ms(step);
            let change = json!({ "name": format!("Version {version}") });
            assert_eq!(world.api("PUT", &path, Some(&change)).await.status, 200);
        }
        for _ in 0..4 {
            world.deliver_after(HOUR_MS).await;
        }
        let mut came: Vec<Value> = receiver.all().iter().skip(1).map(|it| it.json()).collect();
        assert_eq!(came.len(), 5, "{came:#?}");
        let moment = |event: &Value| event["created_at"].as_str().unwrap().to_owned();
        let number = |event: &Value| event["data"]["name"].as_str().unwrap()[8..].to_owned();
        came.sort_by_key(number);
        let moments: Vec<String> = came.iter().map(moment).collect();
        assert!(moments[..4].is_sorted(), "{moments:?}");
        assert_eq!(moments[0], moments[1], "no moment before that of the event before");
        // A clock that was wrong by hours does not drag the others along.
        assert!(moments[4] < moments[0], "{moments:?}");
        let events = "/events?events=organization.created&events=organization.updated&order=asc";
        let listed = world.api("GET", &format!("{events}&limit=100"), None).await.json();
        let listed = listed["data"].as_array().unwrap().iter();
        let listed: Vec<Value> =
            listed.filter(|event| event["data"]["id"] == made["id"]).cloned().collect();
        assert_eq!(listed, came, "as the API lists them, in the order of what happened");
    }
}
