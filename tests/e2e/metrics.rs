//! The numbers that a real service tells Prometheus.

use std::collections::BTreeSet;

use serde_json::json;
use url::Url;

use super::service::free_port;
use super::set::{email, set_up};
use crate::support::Folder;
use crate::support::http::{Browser, Request};

/// The value of the one line that begins with this name and has all these labels.
#[track_caller]
pub fn value(text: &str, name: &str, labels: &[(&str, &str)]) -> f64 {
    let fits = |line: &&str| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
            && labels.iter().all(|(key, value)| line.contains(&format!("{key}=\"{value}\"")))
    };
    let found: Vec<&str> = text.lines().filter(fits).collect();
    let [line] = found[..] else { panic!("not one {name} {labels:?}: {found:?}\n{text}") };
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

/// Every series: what stands before the value.
fn series(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}

#[tokio::test]
async fn sec_01_metrics_count_what_happens_in_words_of_ours_only() {
    let folder = Folder::new();
    let listen = format!("127.0.0.1:{}", free_port());
    let set = set_up(folder.path(), &[("--metrics-listen", listen.clone())]).await;
    let url = Url::parse(&format!("http://{listen}/metrics")).unwrap();
    let scrape = async || {
        let answer = Request::get(&url).send().await;
        assert_eq!(answer.status, 200);
        let kind = answer.header("content-type").unwrap();
        assert!(kind.starts_with("application/openmetrics-text; version=1.0.0"), "{kind}");
        assert!(answer.text().ends_with("# EOF\n"), "{}", answer.text());
        answer.text()
    };
    let application = &set.service.application;
    for n in 0..3 {
        set.service.login(&set.okta, &set.connection, &email(n)).await;
    }
    let junk = async |n: usize| {
        let paths = [
            format!("/tenant-chosen-{n}"),
            format!("/sso/oidc/tenant-chosen-{n}/callback?state=tenant-chosen-{n}"),
            format!("/sso/authorize?client_id=tenant-chosen-{n}"),
        ];
        for path in paths {
            Browser::default().get(&application.url(&path)).await;
        }
        let method = Request::new(&format!("TENANT{n}"), &application.url("/sso/authorize"));
        method.send().await;
        application.redemption(&format!("tenant-chosen-{n}")).send().await;
        let mut url = application.authorize_url(&format!("conn_tenant-chosen-{n}"));
        url.query_pairs_mut().append_pair("login_hint", "tenant-chosen@example.com");
        Browser::default().get(&url).await;
    };
    junk(0).await;
    let before = scrape().await;
    for n in 1..30 {
        junk(n).await;
    }
    application.api("POST", "/organizations", &json!({ "name": "tenant-chosen" })).await;
    application.api("POST", "/organizations", &json!({ "name": "tenant-chosen 2" })).await;
    let text = scrape().await;
    assert!(!text.contains("tenant-chosen") && !text.contains("TENANT"), "{text}");
    for personal in ["acme", "p0@", set.connection.as_str(), application.client_id.as_str()] {
        assert!(!text.contains(personal), "{personal}: {text}");
    }
    let new: Vec<String> = series(&text).difference(&series(&before)).cloned().collect();
    let expected = |line: &String| {
        // What was not asked for at all before may appear; what was, may not multiply.
        line.contains("route=\"/organizations\"") || line.contains("kind=")
    };
    assert!(new.iter().all(expected), "the series grow: {new:?}");

    assert_eq!(value(&text, "vestibule_logins_begun_total", &[]), 3.0);
    assert_eq!(value(&text, "vestibule_logins_total", &[("outcome", "succeeded")]), 3.0);
    let refused = [("outcome", "failed"), ("code", "client_id_invalid"), ("owner", "developer")];
    assert_eq!(value(&text, "vestibule_logins_total", &refused), 30.0);
    assert_eq!(value(&text, "vestibule_token_refusals_total", &[("reason", "code_unknown")]), 30.0);
    let hop = |name| value(&text, "vestibule_login_hop_seconds_count", &[("hop", name)]);
    assert_eq!((hop("callback"), hop("token")), (33.0, 33.0));
    let call = |name| value(&text, "vestibule_outbound_seconds_count", &[("call", name)]);
    assert_eq!((call("token"), call("userinfo")), (3.0, 3.0));
    assert!(call("jwks") >= 1.0 && call("discovery") >= 1.0);
    let unmatched = [("route", ""), ("status", "4xx")];
    assert_eq!(value(&text, "vestibule_http_requests_total", &unmatched), 30.0);
    for kind in ["read", "write"] {
        let count = |name| value(&text, name, &[("kind", kind)]);
        assert!(count("vestibule_db_unit_seconds_count") > 10.0);
        assert!(count("vestibule_db_queue_seconds_count") > 10.0);
        // A unit of the background may be under way.
        assert!(count("vestibule_db_units_in_flight") <= 1.0);
    }
    assert!(value(&text, "vestibule_db_batch_units_count", &[]) > 10.0);
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    assert_eq!(value(&text, "vestibule_build_info", &version), 1.0);
    assert!(value(&text, "process_resident_memory_bytes", &[]) > 5e6);
    assert!(value(&text, "process_open_fds", &[]) > 5.0);
    assert!(value(&text, "process_cpu_seconds_total", &[]) > 0.0);
    assert!(value(&text, "process_start_time_seconds", &[]) > 1.7e9);

    // The service itself shows none of this, and the other listener nothing else.
    let public = Request::get(&application.url("/metrics")).send().await;
    assert_eq!(public.status, 404);
    let other = Request::get(&url.join("/readyz").unwrap()).send().await;
    assert_eq!(other.status, 404);
}

#[tokio::test]
async fn a_failed_login_is_counted_with_its_code_and_its_owner() {
    let folder = Folder::new();
    let listen = format!("127.0.0.1:{}", free_port());
    let set = set_up(folder.path(), &[("--metrics-listen", listen.clone())]).await;
    use vestibule::sandbox::okta::Fault;
    set.okta.tenant.set_faults(&set.okta.credentials.client_id, &[Fault::WrongNonce]).unwrap();
    let mut browser = Browser::default();
    let begun = browser.get(&set.service.application.authorize_url(&set.connection)).await;
    let back = set.okta.tenant.sign_in(&begun.location(), &email(0)).await.unwrap();
    browser.get(&Url::parse(&back).unwrap()).await;
    let url = Url::parse(&format!("http://{listen}/metrics")).unwrap();
    let text = Request::get(&url).send().await.text();
    let labels = [("outcome", "failed"), ("code", "id_token_nonce"), ("owner", "customer_it")];
    assert_eq!(value(&text, "vestibule_logins_total", &labels), 1.0);
}
