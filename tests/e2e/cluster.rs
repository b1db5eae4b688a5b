//! Several nodes on one database, behind HAProxy.

use std::fmt::Write;
use std::path::Path;

use url::Url;

use super::process::{Process, program};
use super::service::{Application, Service, free_port};
use crate::support::http::Request;

/// Where Debian's package puts it; it is not on everybody's path.
const HAPROXY: &str = "/usr/sbin/haproxy";
/// The header in which the balancer tells who answered.
pub const NODE: &str = "x-node";

/// The nodes and the balancer.
pub struct Cluster {
    /// The service as browsers and applications see it.
    pub application: Application,
    pub nodes: Vec<Service>,
    _balancer: Process,
}

impl Cluster {
    /// Starts so many nodes, one after the other, and a balancer that takes turns.
    pub async fn start(folder: &Path, database: &str, count: usize) -> Self {
        assert!(Path::new(HAPROXY).exists(), "this test needs the Debian package `haproxy`");
        let port = free_port();
        let base_url = Url::parse(&format!("http://127.0.0.1:{port}")).unwrap();
        let settings = [
            ("--database", database.to_owned()),
            ("--base-url", base_url.to_string()),
            ("--trusted-proxies", "127.0.0.1".to_owned()),
            ("--limits-authorize-per-minute", "0".to_owned()),
        ];
        let own = |n: usize| {
            let folder = folder.join(format!("node-{n}"));
            std::fs::create_dir_all(&folder).unwrap();
            folder
        };
        let mut nodes = vec![Service::first_start(&own(0), &settings).await];
        for n in 1..count {
            nodes.push(Service::join(&nodes[0], &own(n), &settings).await);
        }
        let file = folder.join("haproxy.cfg");
        std::fs::write(&file, configuration(port, &nodes)).unwrap();
        let mut command = program(HAPROXY, folder);
        command.args(["-db", "-f"]).arg(file);
        let balancer = Process::start(command);
        let application = Application { base_url, ..nodes[0].application.clone() };
        let cluster = Self { application, nodes, _balancer: balancer };
        cluster.balanced(count).await;
        cluster
    }

    /// Waits until so many nodes take their turns.
    pub async fn balanced(&self, count: usize) {
        let url = self.application.url("/healthz");
        for _ in 0..1500 {
            let mut seen = std::collections::BTreeSet::new();
            for _ in 0..2 * self.nodes.len() {
                if let Ok(answer) = Request::get(&url).try_send().await {
                    seen.extend(answer.header(NODE).map(str::to_owned));
                }
            }
            if seen.len() == count {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("the balancer does not find {count} nodes");
    }

    /// The first of the nodes with another as the server that answers.
    pub fn node_url(&self, n: usize) -> &Url {
        &self.nodes[n].application.base_url
    }
}

/// The configuration of docs/operations.md, with times that suit a test.
fn configuration(port: u16, nodes: &[Service]) -> String {
    let mut text = format!(
        "global
    maxconn 4000
defaults
    mode http
    timeout connect 1s
    timeout client 60s
    timeout server 60s
    option forwardfor
    option redispatch 1
    retries 3
frontend browsers_and_applications
    bind 127.0.0.1:{port}
    http-response set-header {NODE} %s
    default_backend vestibule
backend vestibule
    balance roundrobin
    option httpchk GET /readyz
    default-server check inter 200ms fall 1 rise 1
"
    );
    for (n, node) in nodes.iter().enumerate() {
        let url = &node.application.base_url;
        let (host, port) = (url.host_str().unwrap(), url.port().unwrap());
        let _ = writeln!(text, "    server node-{n} {host}:{port}");
    }
    text
}
