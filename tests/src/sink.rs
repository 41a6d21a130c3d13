//! A receiver of webhooks that records what it gets.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Instant,
};

use bytes::Bytes;
use poem::{
    Endpoint, Request, Response, Server,
    http::StatusCode,
    listener::{Acceptor, Listener, TcpListener},
};
use serde_json::Value;
use tokio::{sync::watch, task::JoinHandle, time::timeout};

use crate::PATIENCE;

pub struct Sink {
    url: String,
    state: Arc<State>,
    read: usize,
    task: JoinHandle<()>,
}

/// One request, as it came.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// When all of it was there.
    pub at: Instant,
}

type Answering = Box<dyn Fn(&Value) -> Option<u16> + Send>;

struct State {
    received: watch::Sender<Vec<Delivery>>,
    answers: Mutex<VecDeque<u16>>,
    answering: Mutex<Option<Answering>>,
    retry_after: Mutex<Option<u32>>,
}

impl Sink {
    /// Answers every delivery with 204.
    pub async fn start() -> Self {
        let acceptor = TcpListener::bind("127.0.0.1:0")
            .into_acceptor()
            .await
            .expect("a free port");
        let address = acceptor.local_addr().remove(0);
        let address = *address.as_socket_addr().expect("a socket address");
        let state = Arc::new(State {
            received: watch::Sender::new(Vec::new()),
            answers: Mutex::default(),
            answering: Mutex::default(),
            retry_after: Mutex::default(),
        });
        let receiver = Receiver(state.clone());
        let task = tokio::spawn(async move {
            let _ = Server::new_with_acceptor(acceptor).run(receiver).await;
        });
        Self {
            url: format!("http://{address}/webhooks"),
            state,
            read: 0,
            task,
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// The next answers are these; afterwards 204 again.
    pub fn answer(&self, statuses: &[u16]) {
        let mut answers = self.state.answers.lock().expect("no panic");
        answers.extend(statuses);
    }

    /// From now on the event decides: the status that it is answered with, or 204.
    pub fn answer_by(&self, answering: impl Fn(&Value) -> Option<u16> + Send + 'static) {
        *self.state.answering.lock().expect("no panic") = Some(Box::new(answering));
    }

    /// Every answer asks for so many seconds of patience.
    pub fn retry_after(&self, seconds: u32) {
        *self.state.retry_after.lock().expect("no panic") = Some(seconds);
    }

    /// The next delivery that no test has seen.
    pub async fn next(&mut self) -> Delivery {
        let mut received = self.state.received.subscribe();
        let read = self.read;
        let arrived = timeout(PATIENCE, received.wait_for(|all| all.len() > read)).await;
        let all = arrived
            .unwrap_or_else(|_| panic!("no delivery within {PATIENCE:?}"))
            .expect("the sink runs");
        self.read += 1;
        all[read].clone()
    }

    /// The next event of this type; others before it are passed over.
    pub async fn next_event(&mut self, kind: &str) -> Value {
        loop {
            let event = self.next().await.event();
            if event["type"] == kind {
                return event;
            }
        }
    }

    /// Everything so far.
    pub fn received(&self) -> Vec<Delivery> {
        self.state.received.borrow().clone()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Delivery {
    /// A header's value, empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        let header = self.headers.iter().find(|(key, _)| key == name);
        header.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    pub fn event(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }
}

struct Receiver(Arc<State>);

impl Endpoint for Receiver {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let headers = request
            .headers()
            .iter()
            .map(|(name, value)| {
                (
                    name.to_string(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect();
        let body = request.take_body().into_bytes().await?;
        let at = Instant::now();
        let delivery = Delivery { headers, body, at };
        let answering = self.0.answering.lock().expect("no panic");
        let by_event = answering.as_ref().and_then(|by| by(&delivery.event()));
        drop(answering);
        self.0.received.send_modify(|all| all.push(delivery));
        let answer = self.0.answers.lock().expect("no panic").pop_front();
        let answer = answer.or(by_event);
        let status = answer
            .map(StatusCode::from_u16)
            .transpose()
            .expect("a status");
        let mut response = Response::builder().status(status.unwrap_or(StatusCode::NO_CONTENT));
        if let Some(seconds) = *self.0.retry_after.lock().expect("no panic") {
            response = response.header("retry-after", seconds);
        }
        Ok(response.finish())
    }
}
