//! Proxies before the service, each as docs/operations.md sets it up; but they soon end the connection of a
//! client that is silent.

use std::path::Path;
use std::process::Command;

use url::Url;

use super::process::{self, Process};
use super::service::{Service, free_port};
use crate::support::http::Request;

/// What stands around the documented lines of nginx. Paths are below the test's folder.
const NGINX: &str = "\
daemon off;
master_process off;
pid nginx.pid;
error_log stderr;
events {}
http {
    access_log off;
    client_header_timeout 200ms;
    client_body_timeout 200ms;
    keepalive_timeout 200ms;
    client_body_temp_path client-body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    {documented}
}
";
/// The same for Caddy.
const CADDY: &str = "\
{
    admin off
    servers {
        timeouts {
            read_header 200ms
            read_body 200ms
            idle 200ms
        }
    }
}
{documented}
";

/// A server that may stand before the service.
#[derive(Clone, Copy, Debug)]
pub enum Proxy {
    Nginx,
    Caddy,
}

/// The service behind one.
pub struct Proxied {
    /// Where the proxy listens.
    pub base_url: Url,
    pub service: Service,
    _proxy: Process,
}

impl Proxied {
    pub async fn start(proxy: Proxy, folder: &Path) -> Self {
        let port = free_port();
        let base_url = Url::parse(&format!("http://127.0.0.1:{port}")).unwrap();
        let settings = [
            ("--base-url", base_url.to_string()),
            ("--trusted-proxies", "127.0.0.1".to_owned()),
            // Longer than the proxies keep connections to it, as the defaults are.
            ("--limits-request-timeout-s", "6".to_owned()),
        ];
        let service = Service::first_start(folder, &settings).await;
        let process = Process::start(proxy.command(port, &service, folder));
        let url = base_url.join("/healthz").unwrap();
        for _ in 0..1500 {
            if Request::get(&url).try_send().await.is_ok_and(|answer| answer.status == 200) {
                return Self { base_url, service, _proxy: process };
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("{proxy:?} does not find the service: {}", process.stderr());
    }
}

impl Proxy {
    /// The program, which listens on this port of the machine's own.
    fn command(self, port: u16, service: &Service, folder: &Path) -> Command {
        let node = &service.application.base_url;
        let node = format!("{}:{}", node.host_str().unwrap(), node.port().unwrap());
        let (program, documented, around) = match self {
            Self::Nginx => {
                let mut lines = configuration("nginx");
                lines = lines.replace("443 ssl", &format!("127.0.0.1:{port}"));
                // The test names its requests itself.
                lines = lines.replace("$request_id", "$http_x_request_id");
                let lines = lines.lines().filter(|line| !line.contains("ssl_certificate"));
                ("/usr/sbin/nginx", lines.collect::<Vec<_>>().join("\n"), NGINX)
            }
            Self::Caddy => {
                let site = format!("http://:{port} {{\n    bind 127.0.0.1");
                let lines = configuration("caddy").replace("sso.example.com {", &site);
                ("/usr/bin/caddy", lines, CADDY)
            }
        };
        let documented = documented.replace("127.0.0.1:8080", &node);
        let file = folder.join("proxy.conf");
        std::fs::write(&file, around.replace("{documented}", &documented)).unwrap();
        assert!(Path::new(program).exists(), "this test needs the Debian package of {program}");
        let mut command = process::program(program, folder);
        match self {
            Self::Nginx => command.arg("-p").arg(folder).args(["-e", "stderr", "-c"]),
            Self::Caddy => command.args(["run", "--adapter", "caddyfile", "--config"]),
        };
        command.arg(file).env("HOME", folder);
        command.env("XDG_CONFIG_HOME", folder).env("XDG_DATA_HOME", folder);
        command
    }
}

/// The configuration that docs/operations.md gives for a proxy.
pub fn configuration(proxy: &str) -> String {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, block) = page.split_once(&format!("```{proxy}\n")).expect(proxy);
    block.split_once("```").unwrap().0.to_owned()
}
