use std::sync::atomic::AtomicUsize;

use poem::{Route, endpoint::make};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Notify,
    task::JoinHandle,
};

use super::*;

struct Running {
    address: SocketAddr,
    drain: Drain,
    health: Health,
    /// Lets `/slow` answer.
    go: Arc<Notify>,
    /// Requests that `/slow` has begun.
    begun: Arc<AtomicUsize>,
    server: JoinHandle<io::Result<()>>,
}

fn short() -> ServerLimits {
    ServerLimits {
        connections: 100,
        first_head: Duration::from_millis(200),
        next_head: Duration::from_millis(400),
        announce: Duration::from_millis(300),
        drain: Duration::from_secs(5),
    }
}

async fn start(limits: ServerLimits) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (drain, go, begun) = (Drain::default(), Arc::new(Notify::new()), Arc::default());
    let health = Health::new(drain.clone(), || Box::pin(std::future::ready(Ok(()))));
    let slow = {
        let (go, begun): (Arc<Notify>, Arc<AtomicUsize>) = (go.clone(), Arc::clone(&begun));
        make(move |_| {
            let (go, begun) = (go.clone(), begun.clone());
            async move {
                begun.fetch_add(1, Ordering::SeqCst);
                go.notified().await;
                "slow"
            }
        })
    };
    let ready = health.clone();
    let ready = make(move |_| {
        let health = ready.clone();
        async move { health.ready().await }
    });
    let routes = Route::new()
        .at("/", make(async |_| "fine"))
        .at("/slow", slow)
        .at("/health/ready", ready);
    let server = tokio::spawn(serve(
        listener,
        routes,
        drain.clone(),
        health.clone(),
        limits,
    ));
    Running {
        address,
        drain,
        health,
        go,
        begun,
        server,
    }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn ask(&self, path: &str) -> TcpStream {
        let mut stream = self.connect().await;
        ask(&mut stream, path).await;
        stream
    }

    async fn until_begun(&self, requests: usize) {
        while self.begun.load(Ordering::SeqCst) < requests {
            tokio::task::yield_now().await;
        }
    }
}

async fn ask(stream: &mut TcpStream, path: &str) {
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
}

/// Everything until the server closes.
async fn rest(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    // A reset is an end too.
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One answer of a connection that stays open.
async fn answer(stream: &mut TcpStream) -> String {
    let mut bytes = vec![0; 4096];
    let length = stream.read(&mut bytes).await.unwrap();
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

#[tokio::test]
async fn a_connection_serves_one_request_after_the_other() {
    let running = start(short()).await;
    let mut stream = running.connect().await;
    for _ in 0..3 {
        ask(&mut stream, "/").await;
        let answer = answer(&mut stream).await;
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.ends_with("fine"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_client_that_never_finishes_its_head_is_cut() {
    let running = start(short()).await;
    let silent = running.connect().await;
    let mut dripping = running.connect().await;
    let started = Instant::now();
    let drip = async {
        dripping.write_all(b"GET / HTTP/1.1\r\nx: ").await.unwrap();
        while dripping.write_all(b"x").await.is_ok() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    let (silence, ()) = tokio::join!(rest(silent), drip);
    assert_eq!(silence, "");
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn an_idle_connection_and_a_dripping_second_head_are_cut() {
    let running = start(short()).await;
    for second in ["", "GET / HTTP/1.1\r\n"] {
        let mut stream = running.ask("/").await;
        assert!(answer(&mut stream).await.ends_with("fine"));
        stream.write_all(second.as_bytes()).await.unwrap();
        let started = Instant::now();
        rest(stream).await;
        assert!(started.elapsed() < Duration::from_secs(3));
    }
}

#[tokio::test]
async fn a_slow_handler_is_not_cut() {
    let running = start(short()).await;
    let mut stream = running.ask("/slow").await;
    sleep(Duration::from_millis(600)).await;
    running.go.notify_one();
    assert!(answer(&mut stream).await.ends_with("slow"));
}

#[tokio::test]
async fn a_head_over_its_bounds_is_refused() {
    let running = start(short()).await;
    let long = format!(
        "GET / HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n",
        "x".repeat(2 * BUFFER)
    );
    let many = format!(
        "GET / HTTP/1.1\r\nhost: x\r\n{}\r\n",
        "x-many: x\r\n".repeat(200)
    );
    for head in [long, many] {
        let mut stream = running.connect().await;
        let _ = stream.write_all(head.as_bytes()).await;
        let answer = rest(stream).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
            "{answer}"
        );
    }
    let mut stream = running.connect().await;
    stream.write_all(b"not http at all\r\n\r\n").await.unwrap();
    assert!(rest(stream).await.starts_with("HTTP/1.1 400"));
}

#[tokio::test]
async fn clients_over_the_cap_wait_for_a_place() {
    let running = start(ServerLimits {
        connections: 2,
        ..short()
    })
    .await;
    let mut held = [running.ask("/slow").await, running.ask("/slow").await];
    running.until_begun(2).await;
    let mut waiting = running.ask("/").await;
    let early = tokio::time::timeout(Duration::from_millis(100), answer(&mut waiting)).await;
    assert!(early.is_err(), "served over the cap");
    running.go.notify_one();
    running.go.notify_one();
    for stream in &mut held {
        assert!(answer(stream).await.ends_with("slow"));
    }
    drop(held);
    assert!(answer(&mut waiting).await.ends_with("fine"));
}

#[tokio::test]
async fn a_drain_ends_what_is_under_way_and_takes_nothing_new() {
    let running = start(short()).await;
    let slow = running.ask("/slow").await;
    let mut idle = running.ask("/").await;
    answer(&mut idle).await;
    running.until_begun(1).await;
    running.drain.begin();
    // The idle one is closed, and the listener too: nobody asked for readiness.
    assert_eq!(rest(idle).await, "");
    assert!(TcpStream::connect(running.address).await.is_err());
    running.go.notify_one();
    let last = rest(slow).await;
    assert!(
        last.ends_with("slow") && last.contains("connection: close"),
        "{last}"
    );
    running.server.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_load_balancer_hears_of_the_drain_before_the_listener_closes() {
    let running = start(ServerLimits {
        first_head: Duration::from_secs(9),
        ..short()
    })
    .await;
    let mut stream = running.ask("/health/ready").await;
    assert!(answer(&mut stream).await.starts_with("HTTP/1.1 200"));
    assert!(running.health.asked_lately());
    running.drain.begin();
    let mut stream = running.ask("/health/ready").await;
    let refused = answer(&mut stream).await;
    assert!(
        refused.starts_with("HTTP/1.1 503") && refused.contains("draining"),
        "{refused}"
    );
    let mut stream = running.ask("/").await;
    assert!(
        answer(&mut stream).await.ends_with("fine"),
        "still served while it is announced"
    );
    running.server.await.unwrap().unwrap();
    assert!(TcpStream::connect(running.address).await.is_err());
}

#[tokio::test]
async fn a_drain_ends_in_time_whatever_is_under_way() {
    let running = start(ServerLimits {
        drain: Duration::from_millis(300),
        ..short()
    })
    .await;
    let slow = running.ask("/slow").await;
    running.until_begun(1).await;
    let started = Instant::now();
    running.drain.begin();
    running.server.await.unwrap().unwrap();
    assert!(started.elapsed() < Duration::from_secs(2));
    assert_eq!(rest(slow).await, "");
}
