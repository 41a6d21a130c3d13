use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use connectors::{HttpClient, HttpFailure, HttpRequest};
use futures_util::future::BoxFuture;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::Instant,
};

use super::*;
use crate::{config::Config, telemetry::Metrics};

/// Answers with the next list each time, over and over.
struct Alternating {
    answers: Vec<Vec<IpAddr>>,
    asked: AtomicUsize,
}

impl Lookup for Alternating {
    fn addresses<'a>(&'a self, _host: &'a str) -> BoxFuture<'a, io::Result<Vec<IpAddr>>> {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = self.answers[turn % self.answers.len()].clone();
        Box::pin(std::future::ready(Ok(answer)))
    }
}

const GOOD: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
const TRAP: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1));

fn egress(allow: &str, answers: Vec<Vec<IpAddr>>) -> (Egress, Metrics) {
    let config = Config::load(None, |name| {
        (name == "TENON_EGRESS_ALLOW").then(|| allow.to_owned())
    });
    let metrics = Metrics::new().unwrap();
    let lookup = Alternating {
        answers,
        asked: AtomicUsize::new(0),
    };
    (
        Egress::new(&config.unwrap(), Arc::new(lookup), metrics.clone()),
        metrics,
    )
}

fn get(url: &str) -> EgressRequest {
    EgressRequest {
        method: Method::GET,
        url: url.parse().unwrap(),
        headers: HeaderMap::new(),
        body: Vec::new(),
        timeout: Duration::from_secs(5),
        max_body: MaxBody::Refuse(1024),
    }
}

/// A listener that counts connections and treats each with `serve`.
async fn peer<F, S>(address: SocketAddr, serve: S) -> (SocketAddr, Arc<AtomicUsize>)
where
    F: Future<Output = ()> + Send + 'static,
    S: Fn(TcpStream) -> F + Send + 'static,
{
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap();
    let connects = Arc::new(AtomicUsize::new(0));
    let counted = connects.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(serve(stream));
        }
    });
    (address, connects)
}

/// Reads a request's head; false when the connection ended first.
async fn read_head(stream: &mut TcpStream) -> bool {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return false,
        }
    }
    true
}

/// Answers each request with these bytes.
async fn answer(mut stream: TcpStream, bytes: &[u8]) {
    while read_head(&mut stream).await {
        let _ = stream.write_all(bytes).await;
    }
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn any_port(address: IpAddr) -> SocketAddr {
    SocketAddr::new(address, 0)
}

#[tokio::test]
async fn an_allowed_private_peer_is_reached_over_plain_http() {
    let (peer, _) = peer(any_port(GOOD), |stream| answer(stream, OK)).await;
    let (egress, _) = egress("127.0.0.2", vec![vec![GOOD]]);
    for url in [
        format!("http://{peer}/"),
        format!("http://idp.example:{}/", peer.port()),
    ] {
        let response = egress.send(get(&url)).await.unwrap();
        assert_eq!(
            (response.status, response.body),
            (StatusCode::OK, b"ok".to_vec()),
            "{url}"
        );
    }
}

#[tokio::test]
async fn dns_rebinding_reaches_no_forbidden_address() {
    let (good, good_connects) = peer(any_port(GOOD), |stream| answer(stream, OK)).await;
    let trap = SocketAddr::new(TRAP, good.port());
    let (_, trapped) = peer(trap, |stream| answer(stream, OK)).await;
    let answers = vec![vec![GOOD], vec![TRAP], vec![TRAP, GOOD], vec![GOOD, TRAP]];
    let (egress, metrics) = egress("127.0.0.2", answers);
    let url = format!("http://rebind.example:{}/", good.port());
    let mut closing = get(&url);
    closing
        .headers
        .insert("connection", http::HeaderValue::from_static("close"));

    let mut blocked = 0;
    for _ in 0..12 {
        match egress.send(closing.clone()).await {
            Ok(response) => assert_eq!(response.body, b"ok"),
            Err(EgressError::Blocked(refused)) => {
                assert_eq!(refused.reason, BlockReason::Loopback);
                blocked += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    // The same names over https: the resolver is asked again and refuses likewise.
    let mut https = get(&url.replace("http://", "https://"));
    https.timeout = Duration::from_millis(300);
    for _ in 0..4 {
        assert!(egress.send(https.clone()).await.is_err());
    }
    assert_eq!(trapped.load(Ordering::SeqCst), 0);
    assert!(blocked > 0 && good_connects.load(Ordering::SeqCst) > 0);
    assert!(
        metrics
            .render()
            .unwrap()
            .contains("egress_blocked_total{reason=\"loopback\"}")
    );
}

#[tokio::test]
async fn names_and_literals_of_this_machine_are_refused_without_a_connect() {
    let (trap, trapped) = peer(any_port(TRAP), |stream| answer(stream, OK)).await;
    let (egress, _) = egress("10.99.0.0/16", vec![vec![TRAP]]);
    for host in [
        "127.0.0.1",
        "localhost",
        "LOCALHOST.",
        "a.localhost",
        "0",
        "[::1]",
        "x.example",
    ] {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{host}:{}/", trap.port());
            let error = egress.send(get(&url)).await.unwrap_err();
            assert!(matches!(error, EgressError::Blocked(_)), "{url}: {error}");
        }
    }
    assert_eq!(trapped.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let (trap, trapped) = peer(any_port(GOOD), |stream| answer(stream, OK)).await;
    let location =
        format!("HTTP/1.1 307 Go\r\nlocation: http://{trap}/\r\ncontent-length: 0\r\n\r\n");
    let location: Arc<str> = location.into();
    let (redirecting, _) = peer(any_port(GOOD), move |stream| {
        let location = location.clone();
        async move { answer(stream, location.as_bytes()).await }
    })
    .await;
    let (egress, _) = egress("127.0.0.0/8", Vec::new());
    let response = egress
        .send(get(&format!("http://{redirecting}/")))
        .await
        .unwrap();
    assert_eq!(response.status, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(trapped.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_dripping_peer_costs_no_more_than_the_stated_time() {
    let (drip, _) = peer(any_port(GOOD), |mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(b".").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let (silent, _) = peer(any_port(GOOD), |stream| async move {
        let _stream = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let (egress, _) = egress("127.0.0.0/8", Vec::new());
    for (scheme, peer) in [("http", drip), ("http", silent), ("https", silent)] {
        let mut request = get(&format!("{scheme}://{peer}/"));
        request.timeout = Duration::from_millis(300);
        let started = Instant::now();
        let error = egress.send(request).await.unwrap_err();
        assert!(matches!(error, EgressError::Timeout { .. }), "{error}");
        assert!(started.elapsed() < Duration::from_secs(2));
    }
}

#[tokio::test]
async fn an_endless_body_is_refused_or_cut() {
    let (endless, _) = peer(any_port(GOOD), |mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    })
    .await;
    let (egress, _) = egress("127.0.0.0/8", Vec::new());
    let url = format!("http://{endless}/");
    let error = egress.send(get(&url)).await.unwrap_err();
    assert!(
        matches!(error, EgressError::TooLarge { limit: 1024, .. }),
        "{error}"
    );

    let webhook = EgressRequest::webhook(url.parse().unwrap(), HeaderMap::new(), b"{}".to_vec());
    let response = egress.send(webhook).await.unwrap();
    assert_eq!(response.body.len(), WEBHOOK_BODY);
}

#[tokio::test]
async fn a_flood_of_headers_is_refused() {
    let (flood, _) = peer(any_port(GOOD), |mut stream| async move {
        read_head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream.write_all(b"x-flood: yes\r\n").await.is_ok() {}
    })
    .await;
    let (egress, _) = egress("127.0.0.0/8", Vec::new());
    let error = egress
        .send(get(&format!("http://{flood}/")))
        .await
        .unwrap_err();
    assert!(matches!(error, EgressError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_compressed_body_stays_compressed() {
    // gzip of nothing much; a bomb would look the same from here, since nothing unpacks it.
    let bytes =
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x8b\x08\x00";
    let (peer, _) = peer(any_port(GOOD), |stream| answer(stream, bytes)).await;
    let (egress, _) = egress("127.0.0.0/8", Vec::new());
    let response = egress.send(get(&format!("http://{peer}/"))).await.unwrap();
    assert_eq!(response.body, b"\x1f\x8b\x08\x00");
}

#[tokio::test]
async fn failures_tell_no_path_and_no_query() {
    let closed = {
        let listener = TcpListener::bind(any_port(GOOD)).await.unwrap();
        listener.local_addr().unwrap()
    };
    let (egress, _) = egress("127.0.0.0/8", Vec::new());
    let error = egress
        .send(get(&format!("http://{closed}/canary?canary")))
        .await
        .unwrap_err();
    assert!(matches!(error, EgressError::Unreachable { .. }), "{error}");
    assert!(!error.to_string().contains("canary") && error.to_string().contains("127.0.0.2"));
}

#[tokio::test]
async fn connectors_get_their_own_words_for_failures() {
    let (peer, _) = peer(any_port(GOOD), |stream| answer(stream, OK)).await;
    let (egress, _) = egress("127.0.0.2", Vec::new());
    let request = |url: String, max_response_bytes| HttpRequest {
        method: Method::GET,
        url: url.parse().unwrap(),
        headers: vec![(http::header::ACCEPT, "application/json".to_owned())],
        body: Vec::new(),
        max_response_bytes,
    };
    let fetch = async |request| HttpClient::send(&egress, request).await;
    let fine = fetch(request(format!("http://{peer}/"), 10)).await.unwrap();
    assert_eq!(fine.body, b"ok");
    let large = fetch(request(format!("http://{peer}/"), 1))
        .await
        .unwrap_err();
    assert!(
        matches!(large, HttpFailure::TooLarge { limit: 1 }),
        "{large}"
    );
    let forbidden = fetch(request("http://127.0.0.1/".to_owned(), 1))
        .await
        .unwrap_err();
    assert!(
        matches!(forbidden, HttpFailure::Forbidden { .. }),
        "{forbidden}"
    );
}

#[tokio::test]
async fn a_peer_that_breaks_off_the_handshake_is_unreachable() {
    let (peer, connects) = peer(any_port(GOOD), |mut stream| async move {
        let mut hello = [0; 1024];
        let _ = stream.read(&mut hello).await;
        // TLS alert: handshake_failure.
        let _ = stream.write_all(&[21, 3, 3, 0, 2, 2, 40]).await;
    })
    .await;
    let (egress, _) = egress("127.0.0.2", Vec::new());
    let error = egress
        .send(get(&format!("https://{peer}/")))
        .await
        .unwrap_err();
    assert!(matches!(error, EgressError::Unreachable { .. }), "{error}");
    assert_eq!(connects.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_txt_proof_asks_the_configured_name_server() {
    let server = tokio::net::UdpSocket::bind(any_port(TRAP)).await.unwrap();
    let address = server.local_addr().unwrap();
    tokio::spawn(async move {
        let mut query = [0; 512];
        while let Ok((length, from)) = server.recv_from(&mut query).await {
            let question_end = 12
                + query[12..length]
                    .iter()
                    .position(|byte| *byte == 0)
                    .unwrap()
                + 5;
            let mut reply = query[..question_end].to_vec();
            // Response, no error, one answer, no additional records.
            reply[2..4].copy_from_slice(&[0x81, 0x80]);
            reply[6..12].copy_from_slice(&[0, 1, 0, 0, 0, 0]);
            // The name by reference, TXT, IN, 60 s, two strings that belong together.
            reply.extend_from_slice(&[0xc0, 12, 0, 16, 0, 1, 0, 0, 0, 60, 0, 10]);
            reply.extend_from_slice(b"\x04toke\x04n=42");
            server.send_to(&reply, from).await.unwrap();
        }
    });
    let dns = Dns::new(&[address]).unwrap();
    assert_eq!(
        dns.txt("_tenon.acme.example").await.unwrap().values,
        ["token=42"]
    );
}
