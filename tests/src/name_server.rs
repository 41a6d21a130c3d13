//! A small name server on loopback: TXT records, aliases, names that are not there, and servers that fail.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::Value;
use tokio::net::UdpSocket;

use crate::text;

const TXT: u16 = 16;
const CNAME: u16 = 5;

#[derive(Default)]
struct Zone {
    texts: BTreeMap<String, Vec<String>>,
    aliases: BTreeMap<String, String>,
    /// Names without a record that are there all the same.
    empty: BTreeSet<String>,
    /// Names that end in SERVFAIL.
    broken: BTreeSet<String>,
    silent: bool,
}

/// Knows what the test publishes, and answers over UDP until it is dropped.
pub struct NameServer {
    address: String,
    zone: Arc<Mutex<Zone>>,
    answering: tokio::task::JoinHandle<()>,
}

impl NameServer {
    pub async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        let address = socket.local_addr().expect("an address").to_string();
        let zone: Arc<Mutex<Zone>> = Arc::default();
        let known = zone.clone();
        let answering = tokio::spawn(async move {
            let mut buffer = [0; 1500];
            while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
                let answer = known.lock().expect("no panic").answer(&buffer[..length]);
                if let Some(answer) = answer {
                    let _ = socket.send_to(&answer, peer).await;
                }
            }
        });
        Self {
            address,
            zone,
            answering,
        }
    }

    /// For `TENON_DNS_SERVERS`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Adds a TXT record.
    pub fn txt(&self, name: &str, value: &str) {
        let mut zone = self.zone();
        zone.texts
            .entry(name.to_owned())
            .or_default()
            .push(value.to_owned());
    }

    /// Adds a domain's `txt_record` as the API shows it.
    pub fn publish(&self, record: &Value) {
        self.txt(&text(&record["name"]), &text(&record["value"]));
    }

    pub fn alias(&self, name: &str, target: &str) {
        self.zone()
            .aliases
            .insert(name.to_owned(), target.to_owned());
    }

    /// The name is there, without a record.
    pub fn exists(&self, name: &str) {
        self.zone().empty.insert(name.to_owned());
    }

    /// Answers SERVFAIL for the name.
    pub fn fail(&self, name: &str) {
        self.zone().broken.insert(name.to_owned());
    }

    /// Takes everything away that is published at the name.
    pub fn withdraw(&self, name: &str) {
        let mut zone = self.zone();
        zone.texts.remove(name);
        zone.aliases.remove(name);
        zone.empty.remove(name);
        zone.broken.remove(name);
    }

    /// Answers nothing any more, or again.
    pub fn silence(&self, silent: bool) {
        self.zone().silent = silent;
    }

    fn zone(&self) -> MutexGuard<'_, Zone> {
        self.zone.lock().expect("no panic")
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.answering.abort();
    }
}

impl Zone {
    /// RFC 1035 4.1: the question again, and the records of its name.
    fn answer(&self, query: &[u8]) -> Option<Vec<u8>> {
        if self.silent {
            return None;
        }
        let mut labels = Vec::new();
        let mut at = 12;
        while query[at] != 0 {
            let length = usize::from(query[at]);
            labels.push(String::from_utf8_lossy(&query[at + 1..at + 1 + length]).into_owned());
            at += 1 + length;
        }
        let question = &query[12..at + 5];
        let kind = u16::from_be_bytes([query[at + 1], query[at + 2]]);
        let name = labels.join(".").to_lowercase();

        let mut answers: Vec<Vec<u8>> = Vec::new();
        let mut owner = name.clone();
        if let Some(target) = self.aliases.get(&name) {
            answers.push(record(&name, CNAME, &wire(target)));
            owner = target.clone();
        }
        if kind == TXT {
            for value in self.texts.get(&owner).into_iter().flatten() {
                answers.push(record(&owner, TXT, &strings(value)));
            }
        }
        let code = match () {
            () if self.broken.contains(&name) => 2,
            () if self.is_there(&name) => 0,
            () => 3,
        };
        let mut reply = query[..2].to_vec();
        reply.extend([0x85, 0x80 | code, 0, 1, 0, answers.len() as u8, 0, 0, 0, 0]);
        reply.extend(question);
        reply.extend(answers.concat());
        Some(reply)
    }

    fn is_there(&self, name: &str) -> bool {
        let below = format!(".{name}");
        let names = self
            .texts
            .keys()
            .chain(self.aliases.keys())
            .chain(&self.empty);
        names
            .into_iter()
            .any(|known| known == name || known.ends_with(&below))
    }
}

fn record(owner: &str, kind: u16, data: &[u8]) -> Vec<u8> {
    let mut record = wire(owner);
    record.extend(kind.to_be_bytes());
    record.extend([0, 1, 0, 0, 0, 1]);
    record.extend((data.len() as u16).to_be_bytes());
    record.extend(data);
    record
}

fn wire(name: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for label in name.split('.') {
        wire.push(label.len() as u8);
        wire.extend(label.as_bytes());
    }
    wire.push(0);
    wire
}

/// A TXT value is strings of at most 255 octets.
fn strings(value: &str) -> Vec<u8> {
    let mut wire = Vec::new();
    for part in value.as_bytes().chunks(255) {
        wire.push(part.len() as u8);
        wire.extend(part);
    }
    wire
}
