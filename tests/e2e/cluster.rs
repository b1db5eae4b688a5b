//! Several nodes on one database, behind HAProxy.

use std::fmt::Write;
use std::path::Path;

use url::Url;
use vestibule::config::SETTINGS;

use super::process::{Process, program};
use super::proxies;
use super::service::{Application, Service, free_port};
use crate::support::http::Request;

/// Where Debian's package puts it; it is not on everybody's path.
const HAPROXY: &str = "/usr/sbin/haproxy";
/// The header in which the balancer tells who answered.
pub const NODE: &str = "x-node";

/// Lets a node that is to stop go on until the balancer has noticed.
const DELAY: &str = "shutdown-delay-s";

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
        let mut settings = vec![
            ("--database", database.to_owned()),
            ("--base-url", base_url.to_string()),
            ("--trusted-proxies", "127.0.0.1".to_owned()),
            ("--limits-authorize-per-minute", "0".to_owned()),
        ];
        if SETTINGS.iter().any(|setting| setting.flag() == DELAY) {
            settings.push(("--shutdown-delay-s", "2".to_owned()));
        }
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

    /// Where a node itself listens.
    pub fn node_url(&self, n: usize) -> &Url {
        &self.nodes[n].application.base_url
    }
}

/// The configuration that docs/operations.md gives, with addresses and times that suit a test.
fn configuration(port: u16, nodes: &[Service]) -> String {
    let block = proxies::configuration("haproxy");
    let mut text = "global\n    maxconn 4000\n".to_owned();
    for line in block.lines().filter(|line| !line.trim_start().starts_with("server ")) {
        let line = match line.trim_start().split(' ').next() {
            Some("bind") => {
                &format!("    bind 127.0.0.1:{port}\n    http-response set-header {NODE} %s")
            }
            Some("default-server") => &line.replace("inter 1s", "inter 200ms"),
            _ => line,
        };
        let _ = writeln!(text, "{line}");
    }
    for (n, node) in nodes.iter().enumerate() {
        let url = &node.application.base_url;
        let (host, port) = (url.host_str().unwrap(), url.port().unwrap());
        let _ = writeln!(text, "    server node-{n} {host}:{port}");
    }
    text
}
