//! TXT records, asked of a resolver: the operator's, or the system's.
//!
//! Nothing is remembered between two questions: who presses "check again" has just changed the
//! record. What a domain says of itself is text of a stranger, so its amount is capped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::system_conf::read_system_conf;
use hickory_resolver::{Resolver, TokioResolver};
use tokio::sync::Semaphore;

/// How long a question may take in all, with its repetitions and over TCP.
pub const DEADLINE: Duration = Duration::from_secs(5);
/// How long one server may take for one packet.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many TXT records of a name are looked at.
const MAX_RECORDS: usize = 200;
/// How much of one TXT record is looked at, in bytes.
const MAX_TEXT: usize = 2048;
/// How many questions may be open at once.
const MAX_QUESTIONS: usize = 16;

/// Asks for TXT records.
#[derive(Clone, Debug)]
pub struct Dns {
    /// Whom to ask; none: those of `/etc/resolv.conf`, read anew for each question.
    servers: Vec<SocketAddr>,
    deadline: Duration,
    room: Arc<Semaphore>,
}

/// What stands at a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The texts of its TXT records, maybe none. The parts of one are put together.
    Texts(Vec<String>),
    /// It is an alias (CNAME) of this name. What stands there is somebody else's word.
    Alias(String),
    /// There is no such name.
    NoName,
}

/// Why nobody could tell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No answer within the deadline.
    #[error("no answer in time")]
    TimedOut,
    /// The resolver answered with an error, such as SERVFAIL.
    #[error("the answer was an error: {0}")]
    Refused(String),
    /// The resolver was not reached, or made no sense.
    #[error("{0}")]
    Failed(String),
}

impl Dns {
    /// Asks these servers, or those of the system if there are none.
    pub fn new(servers: &[SocketAddr], deadline: Duration) -> Self {
        let room = Arc::new(Semaphore::new(MAX_QUESTIONS));
        Self { servers: servers.to_vec(), deadline, room }
    }

    /// What TXT records a name has. `name` is in lower case and punycode, without a dot at the end.
    ///
    /// # Errors
    ///
    /// [`Error`] if nobody could tell, which says nothing about the name.
    pub async fn texts(&self, name: &str) -> Result<Answer, Error> {
        let ask = async {
            let _room = self.room.acquire().await.map_err(|_| Error::TimedOut)?;
            self.ask(name).await
        };
        tokio::time::timeout(self.deadline, ask).await.unwrap_or(Err(Error::TimedOut))
    }

    async fn ask(&self, name: &str) -> Result<Answer, Error> {
        // With the dot at the end no search domain is tried.
        let name = Name::from_ascii(format!("{name}."))
            .map_err(|error| Error::Failed(format!("no name to ask for: {error}")))?;
        let resolver = self.resolver().map_err(|error| Error::Failed(error.to_string()))?;
        match resolver.lookup(name.clone(), RecordType::TXT).await {
            Ok(lookup) => Ok(read(&name, &lookup)),
            Err(error) if error.is_nx_domain() => Ok(Answer::NoName),
            Err(error) if error.is_no_records_found() => Ok(Answer::Texts(Vec::new())),
            Err(NetError::Timeout) => Err(Error::TimedOut),
            Err(NetError::Dns(DnsError::ResponseCode(code))) => {
                Err(Error::Refused(code.to_string()))
            }
            Err(error) => Err(Error::Failed(error.to_string())),
        }
    }

    fn resolver(&self) -> Result<TokioResolver, NetError> {
        let (config, mut options) = if self.servers.is_empty() {
            read_system_conf()?
        } else {
            let servers = self.servers.iter().map(server).collect();
            (ResolverConfig::from_name_servers(servers), ResolverOpts::default())
        };
        options.timeout = PATIENCE;
        options.attempts = 1;
        options.cache_size = 0;
        options.edns0 = true;
        options.use_hosts_file = ResolveHosts::Never;
        // Without the alias in the answer, its target's texts would look like the name's own.
        options.preserve_intermediates = true;
        let provider = TokioRuntimeProvider::default();
        let mut builder = Resolver::builder_with_config(config, provider);
        *builder.options_mut() = options;
        builder.build()
    }
}

fn server(address: &SocketAddr) -> NameServerConfig {
    let mut both = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
    for connection in &mut both {
        connection.port = address.port();
    }
    NameServerConfig::new(address.ip(), true, both)
}

/// Takes the name's own records out of an answer.
fn read(name: &Name, lookup: &Lookup) -> Answer {
    let own = || lookup.answers().iter().filter(|record| record.name == *name);
    let alias = own().find_map(|record| match &record.data {
        RData::CNAME(target) => Some(target.0.to_ascii()),
        _ => None,
    });
    if let Some(target) = alias {
        return Answer::Alias(target.trim_end_matches('.').to_owned());
    }
    let texts = own().filter_map(|record| match &record.data {
        RData::TXT(text) => Some(text.txt_data.concat()),
        _ => None,
    });
    let text = |bytes: Vec<u8>| {
        let end = bytes.len().min(MAX_TEXT);
        String::from_utf8_lossy(&bytes[..end]).into_owned()
    };
    Answer::Texts(texts.take(MAX_RECORDS).map(text).collect())
}
