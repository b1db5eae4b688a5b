//! A DNS server on loopback, over UDP and TCP, which answers as a test tells it to.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use hickory_resolver::proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{CNAME, TXT};
use hickory_resolver::proto::rr::{Name, RData, Record};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// An address of loopback where no DNS server is: who asks is refused at once.
pub fn nobody() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 9).into()
}

/// What is answered to a question about a name.
#[derive(Clone)]
pub enum Entry {
    /// TXT records, each made of these strings.
    Texts(Vec<Vec<String>>),
    /// The same; over UDP with nothing in it but the sign that it was cut.
    OnlyOverTcp(Vec<Vec<String>>),
    /// The same, once the gate has a permit.
    Slow(Arc<Semaphore>, Vec<Vec<String>>),
    /// The name is an alias of another, which has this TXT record.
    Alias(String, String),
    /// An error.
    Code(ResponseCode),
    /// Nothing at all.
    Silence,
}

/// One TXT record of one string.
pub fn text(text: &str) -> Entry {
    Entry::Texts(vec![vec![text.to_owned()]])
}

/// The server, gone when it is dropped. Names that it was not told about do not exist.
pub struct DnsServer {
    address: SocketAddr,
    zone: Arc<Zone>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Zone {
    entries: Mutex<BTreeMap<String, Entry>>,
    asked: AtomicUsize,
}

impl DnsServer {
    pub async fn start() -> Self {
        let (udp, tcp) = loop {
            let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
            if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()).await {
                break (Arc::new(udp), tcp);
            }
        };
        let (address, zone) = (tcp.local_addr().unwrap(), Arc::new(Zone::default()));
        let mut tasks = JoinSet::new();
        tasks.spawn(serve_udp(udp, Arc::clone(&zone)));
        tasks.spawn(serve_tcp(tcp, Arc::clone(&zone)));
        Self { address, zone, _tasks: tasks }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on this is answered about the name.
    pub fn set(&self, name: &str, entry: Entry) {
        self.zone.entries.lock().unwrap().insert(name.to_owned(), entry);
    }

    /// How many questions came.
    pub fn asked(&self) -> usize {
        self.zone.asked.load(Ordering::SeqCst)
    }
}

async fn serve_udp(socket: Arc<UdpSocket>, zone: Arc<Zone>) {
    let mut buffer = [0; 4096];
    while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
        let (question, socket, zone) =
            (buffer[..length].to_vec(), Arc::clone(&socket), Arc::clone(&zone));
        tokio::spawn(async move {
            if let Some(answer) = zone.answer(&question, true).await {
                let _ = socket.send_to(&answer, peer).await;
            }
        });
    }
}

async fn serve_tcp(listener: TcpListener, zone: Arc<Zone>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let zone = Arc::clone(&zone);
        tokio::spawn(async move {
            while let Ok(length) = stream.read_u16().await {
                let mut question = vec![0; usize::from(length)];
                if stream.read_exact(&mut question).await.is_err() {
                    return;
                }
                if let Some(answer) = zone.answer(&question, false).await {
                    let _ = stream.write_u16(answer.len().try_into().unwrap()).await;
                    let _ = stream.write_all(&answer).await;
                }
            }
        });
    }
}

impl Zone {
    async fn answer(&self, question: &[u8], over_udp: bool) -> Option<Vec<u8>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let question = Message::from_vec(question).ok()?;
        let query = question.queries.first()?.clone();
        let name = query.name().to_ascii().trim_end_matches('.').to_lowercase();
        let entry = self.entries.lock().unwrap().get(&name).cloned();
        let entry = entry.unwrap_or(Entry::Code(ResponseCode::NXDomain));
        let mut message = Message::new(question.metadata.id, MessageType::Response, OpCode::Query);
        message.metadata.recursion_desired = true;
        message.metadata.recursion_available = true;
        let owner = query.name().clone();
        message.add_query(query);
        match entry {
            Entry::Texts(texts) => add(&mut message, &owner, texts),
            Entry::OnlyOverTcp(_) if over_udp => message.metadata.truncation = true,
            Entry::OnlyOverTcp(texts) => add(&mut message, &owner, texts),
            Entry::Slow(gate, texts) => {
                gate.acquire().await.ok()?.forget();
                add(&mut message, &owner, texts);
            }
            Entry::Alias(target, text) => {
                let target = Name::from_ascii(format!("{target}.")).unwrap();
                let alias = RData::CNAME(CNAME(target.clone()));
                message.add_answer(Record::from_rdata(owner, 60, alias));
                add(&mut message, &target, vec![vec![text]]);
            }
            Entry::Code(code) => message.metadata.response_code = code,
            Entry::Silence => return None,
        }
        message.to_vec().ok()
    }
}

fn add(message: &mut Message, owner: &Name, texts: Vec<Vec<String>>) {
    for text in texts {
        let text = RData::TXT(TXT::new(text));
        message.add_answer(Record::from_rdata(owner.clone(), 60, text));
    }
}
