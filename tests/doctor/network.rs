//! What lies between: names, ports and certificates, with a real TLS server.

use std::net::IpAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{self, ServerConfig, pki_types::PrivateKeyDer};

use vestibule::app::{App, Parts};
use vestibule::base::failure::Owner::{self, CustomerIt, Developer, Operator};
use vestibule::config;
use vestibule::doctor::{Check, Outcome};
use vestibule::outbound::{FixedNames, Outbound, Resolver};
use vestibule::sandbox::okta::{NewApp, Tenant};
use vestibule::server;
use vestibule::upstream::{Upstream, oidc};

use super::complaints;
use crate::support::{World, both_engines};

/// The host of the identity provider.
const HOST: &str = "idp.test";

/// Who issues certificates here.
struct Authority {
    params: CertificateParams,
    key: KeyPair,
    pem: String,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { params, key, pem }
    }

    /// The settings of a server with a certificate for this host, until the end of a date.
    fn server(&self, host: &str, (year, month, day): (i32, u8, u8)) -> ServerConfig {
        let mut params = CertificateParams::new([host.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(year, month, day);
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::from_params(&self.params, &self.key);
        let certificate = params.signed_by(&key, &issuer).unwrap().der().clone();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap()
    }
}

/// Speaks TLS in front of a server that does not; returns its port.
async fn front(config: ServerConfig, listener: TcpListener, behind: u16) -> u16 {
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut outside) = acceptor.accept(stream).await else { return };
                let Ok(mut inside) = TcpStream::connect(("127.0.0.1", behind)).await else {
                    return;
                };
                let _ = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
            });
        }
    });
    port
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

/// A date this many days from now.
fn in_days(days: i64) -> (i32, u8, u8) {
    let at = vestibule::base::time::Clock::system().now().plus_ms(days * 86_400_000).to_string();
    (at[..4].parse().unwrap(), at[5..7].parse().unwrap(), at[8..10].parse().unwrap())
}

impl World {
    /// The clinic, where names are what the test says.
    fn clinic_with(&self, names: &[(&str, &str)]) -> App {
        let names = names.iter().fold(FixedNames::default(), |all, (name, address)| {
            all.with(name, &[address.parse::<IpAddr>().unwrap()])
        });
        let settings =
            config::Outbound { allow: vec!["127.0.0.1".to_owned()], extra_ca_file: None };
        let outbound = Outbound::with_resolver(&settings, Resolver::Fixed(names)).unwrap();
        let upstream = Upstream::new(outbound, self.clock.clone());
        App::from(Parts { upstream, ..(*self.clinic()).clone() })
    }

    /// What the doctor says of a connection with this discovery endpoint.
    async fn told(&self, app: &App, endpoint: &str) -> Vec<(&'static str, Owner)> {
        let endpoint = endpoint.to_owned();
        self.spoil_settings(|it| it.discovery_endpoint = endpoint).await;
        let report = self.examine_with(app, &Check::ALL).await;
        for finding in &report.findings {
            let quiet = matches!(finding.outcome, Outcome::Skipped | Outcome::Ok);
            assert!(quiet || finding.problem.is_some(), "{report:#?}");
        }
        complaints(&report)
    }
}

both_engines! {
    async fn names_and_ports_that_lead_nowhere_are_told_apart(world: World) {
        let app = world.clinic_with(&[
            ("acme.okta.com", "127.0.0.1"),
            ("acme-admin.okta.com", "127.0.0.1"),
            ("inside.test", "10.0.0.1"),
        ]);
        let port = world.demo.tenant.base_url().rsplit(':').next().unwrap().to_owned();
        for (endpoint, problem, owner) in [
            ("https://nowhere.test/x", "dns_no_address", CustomerIt),
            // Okta's own names exist, so it is our resolver that does not know them.
            ("https://gone.okta.com/x", "dns_no_address", Operator),
            ("http://127.0.0.1:1/x", "connection_refused", CustomerIt),
            ("http://acme.okta.com:1/x", "connection_refused", Operator),
            ("https://inside.test/x", "address_not_allowed", CustomerIt),
            ("https://169.254.169.254/latest", "address_not_allowed", CustomerIt),
            ("http://user:pw@acme.okta.com/x", "address_not_allowed", CustomerIt),
        ] {
            assert_eq!(world.told(&app, endpoint).await, [(problem, owner)], "{endpoint}");
        }
        let deaf = listener().await;
        let endpoint = format!("http://{}/x", deaf.local_addr().unwrap());
        tokio::spawn(async move { while let Ok((stream, _)) = deaf.accept().await { drop(stream) } });
        assert_eq!(world.told(&app, &endpoint).await, [("discovery_broken", CustomerIt)]);
        let console =
            format!("http://acme-admin.okta.com:{port}/.well-known/openid-configuration");
        world.spoil_settings(|it| it.issuer = "http://acme-admin.okta.com".to_owned()).await;
        assert_eq!(world.told(&app, &console).await, [("okta_admin_host", CustomerIt)]);
    }

    async fn certificates_are_judged_as_in_a_login_and_named(world: World) {
        let known = Authority::new("Known CA");
        let (plain, tls) = (listener().await, listener().await);
        let (behind, port) =
            (plain.local_addr().unwrap().port(), tls.local_addr().unwrap().port());
        let base = format!("https://{HOST}:{port}");
        let tenant = Tenant::new(&base, world.clock.clone(), "a tenant with TLS");
        let callback = world.app().callback_uri(&world.patient().await);
        let made =
            tenant.create_app(NewApp { redirect_uris: vec![callback], ..NewApp::default() });
        tokio::spawn(server::serve(plain, tenant.router(), std::future::pending()));
        front(known.server(HOST, in_days(365)), tls, behind).await;
        let endpoint = format!("{base}/.well-known/openid-configuration");
        world.spoil_secrets(made.client_secret.expose(), None).await;
        let (client_id, issuer, pem) = (made.client_id, base.clone(), known.pem.clone());
        world.spoil_settings(|it: &mut oidc::Settings| {
            it.client_id = client_id;
            it.issuer = issuer;
            it.extra_ca = Some(pem);
        }).await;
        let app = world.clinic_with(&[(HOST, "127.0.0.1")]);
        assert_eq!(world.told(&app, &endpoint).await, [], "a good certificate");

        let zscaler = Authority::new("Zscaler Intermediate Root CA");
        let stranger = Authority::new("Another CA");
        let mut other_protocol = known.server(HOST, in_days(365));
        other_protocol.alpn_protocols = vec![b"h2".to_vec()];
        let cases = [
            (known.server(HOST, in_days(-2)), "certificate_expired", CustomerIt),
            (known.server(HOST, in_days(5)), "certificate_expires_soon", CustomerIt),
            (known.server("other.test", in_days(365)), "certificate_wrong_name", CustomerIt),
            (stranger.server(HOST, in_days(365)), "certificate_unknown_issuer", CustomerIt),
            (zscaler.server(HOST, in_days(365)), "tls_intercepted", Operator),
            (other_protocol, "tls_protocol", CustomerIt),
        ];
        for (config, problem, owner) in cases {
            let port = front(config, listener().await, behind).await;
            let elsewhere = endpoint.replace(&base, &format!("https://{HOST}:{port}"));
            assert_eq!(world.told(&app, &elsewhere).await, [(problem, owner)], "{problem}");
        }
        let plain = format!("https://127.0.0.1:{behind}/x");
        assert_eq!(world.told(&app, &plain).await, [("tls_failed", CustomerIt)]);
        world.spoil_settings(|it| it.extra_ca = Some("no certificate".to_owned())).await;
        assert_eq!(world.told(&app, &endpoint).await, [("extra_ca_invalid", Developer)]);
    }
}
