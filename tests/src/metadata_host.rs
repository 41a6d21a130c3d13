//! Where an identity provider puts its metadata: a URL whose document a test changes.

use std::sync::{Arc, Mutex, MutexGuard};

use poem::{
    Endpoint, Request, Response, Server,
    http::{StatusCode, header},
    listener::{Acceptor, Listener, TcpListener},
};
use tokio::task::JoinHandle;

/// Serves one document, with an `ETag` that holds.
pub struct MetadataHost {
    url: String,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    document: String,
    version: usize,
    broken: bool,
    read: usize,
    unchanged: usize,
}

struct Document(Arc<Mutex<State>>);

impl Endpoint for Document {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let mut state = self.0.lock().expect("no panic");
        state.read += 1;
        if state.broken {
            return Ok(StatusCode::SERVICE_UNAVAILABLE.into());
        }
        let etag = format!("\"v{}\"", state.version);
        if request.header(header::IF_NONE_MATCH) == Some(&etag) {
            state.unchanged += 1;
            return Ok(StatusCode::NOT_MODIFIED.into());
        }
        Ok(Response::builder()
            .header(header::ETAG, etag)
            .content_type("application/samlmetadata+xml")
            .body(state.document.clone()))
    }
}

impl MetadataHost {
    pub async fn start(document: &str) -> Self {
        let acceptor = TcpListener::bind("127.0.0.1:0")
            .into_acceptor()
            .await
            .expect("a free port");
        let address = acceptor.local_addr().remove(0);
        let address = *address.as_socket_addr().expect("a socket address");
        let state = Arc::new(Mutex::new(State {
            document: document.to_owned(),
            ..State::default()
        }));
        let endpoint = Document(state.clone());
        let task = tokio::spawn(async move {
            let _ = Server::new_with_acceptor(acceptor).run(endpoint).await;
        });
        Self {
            url: format!("http://{address}/metadata"),
            state,
            task,
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn serve(&self, document: &str) {
        let mut state = self.state();
        document.clone_into(&mut state.document);
        state.version += 1;
    }

    /// Whether it answers 503 from now on.
    pub fn fail(&self, broken: bool) {
        self.state().broken = broken;
    }

    /// How often it was asked, and how often it said 304.
    pub fn asked(&self) -> (usize, usize) {
        let state = self.state();
        (state.read, state.unchanged)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic")
    }
}

impl Drop for MetadataHost {
    fn drop(&mut self) {
        self.task.abort();
    }
}
