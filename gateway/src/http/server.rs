//! The server's loop: sockets in, bounded in number and time, and a graceful end.
//!
//! Our own instead of poem's, on the same hyper: poem sets no time for a request's head, no cap on
//! connections, and its idle timer restarts with every byte that a slow client drips. HTTP/1.1 only: TLS and
//! HTTP/2 end at the proxy in front, and what is not spoken can't be attacked.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use poem::{
    Addr, Endpoint, EndpointExt, IntoEndpoint, Request, Response,
    endpoint::BoxEndpoint,
    http::uri::Scheme,
    web::{LocalAddr, RemoteAddr},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{Instant, sleep, timeout_at},
};

use super::{drain::Drain, health::Health};

/// Bounds of the server. The default is what runs; tests use shorter times.
#[derive(Debug, Clone, Copy)]
pub struct ServerLimits {
    /// Beyond that, new clients wait in the kernel's queue.
    pub connections: u32,
    /// From a new connection's first moment to the end of its first request's head.
    pub first_head: Duration,
    /// From the end of one answer to the end of the next request's head; it bounds idle connections too, and
    /// dripping bytes don't extend it. Longer than the 60 s for which common load balancers keep idle
    /// connections, so that they don't send into one that we are closing.
    pub next_head: Duration,
    /// How long readiness says no before the listener closes, if somebody asked for it lately.
    pub announce: Duration,
    /// From the drain's begin to the end.
    pub drain: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            first_head: Duration::from_secs(10),
            next_head: Duration::from_secs(75),
            announce: Duration::from_secs(5),
            // One less than the 25 s of CONTRACT section 2, for what ends after the server.
            drain: Duration::from_secs(24),
        }
    }
}

/// Bounds the head too: a longer one is answered with 431.
const BUFFER: usize = 64 * 1024;

/// Serves until `drain` has begun and all that was under way is done, or its time is up. On the way there
/// readiness says 503 at once, and the listener stays open a little for load balancers that look at it.
///
/// # Errors
/// When the listener has no address.
pub async fn serve<E>(
    listener: TcpListener,
    endpoint: E,
    drain: Drain,
    health: Health,
    limits: ServerLimits,
) -> io::Result<()>
where
    E: IntoEndpoint,
    E::Endpoint: 'static,
{
    let server = Server {
        endpoint: Arc::new(endpoint.map_to_response().boxed()),
        local: listener.local_addr()?,
        places: Arc::new(Semaphore::new(limits.connections as usize)),
        closing: watch::Sender::new(Closing::NotYet),
        limits,
    };
    let deadline = {
        let mut stop = pin!(stop_accepting(&drain, &health, &limits));
        loop {
            tokio::select! {
                deadline = &mut stop => break deadline,
                () = server.accept(&listener) => {}
            }
        }
    };
    // Whoever is in the kernel's queue already has been promised an answer.
    while server.accept(&listener).now_or_never().is_some() {}
    drop(listener);
    server.finish(deadline).await;
    Ok(())
}

/// Returns when the listener has to close, with the time by which all must be over.
async fn stop_accepting(drain: &Drain, health: &Health, limits: &ServerLimits) -> Instant {
    drain.begun().await;
    let deadline = Instant::now() + limits.drain;
    if health.asked_lately() {
        sleep(limits.announce).await;
    }
    deadline
}

/// How far the end has come, as connections see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Closing {
    NotYet,
    /// Answer what is under way, then close.
    AfterThisRequest,
    Now,
}

struct Server {
    endpoint: Arc<BoxEndpoint<'static, Response>>,
    local: SocketAddr,
    places: Arc<Semaphore>,
    closing: watch::Sender<Closing>,
    limits: ServerLimits,
}

impl Server {
    /// Takes one connection, once there is a place for it.
    async fn accept(&self, listener: &TcpListener) {
        // The semaphore is never closed.
        let Ok(place) = self.places.clone().acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, peer)) => {
                tokio::spawn(self.connection(stream, peer, place));
            }
            // Out of file descriptors, or a client that is gone already: others need time to end.
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }

    fn connection(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        place: OwnedSemaphorePermit,
    ) -> impl Future<Output = ()> + use<> {
        let (endpoint, local) = (self.endpoint.clone(), self.local);
        let mut closing = self.closing.subscribe();
        let ServerLimits {
            first_head,
            next_head,
            ..
        } = self.limits;
        async move {
            let _place = place;
            // Answers are written whole; waiting to fill a packet only delays them.
            let _ = stream.set_nodelay(true);
            let asked = AtomicBool::new(false);
            let service = service_fn(|request: hyper::Request<Incoming>| {
                asked.store(true, Ordering::Relaxed);
                let local = LocalAddr(Addr::SocketAddr(local));
                let peer = RemoteAddr(Addr::SocketAddr(peer));
                let request = Request::from((request, local, peer, Scheme::HTTP));
                let endpoint = endpoint.clone();
                async move {
                    let response = endpoint.get_response(request).await;
                    Ok::<_, Infallible>(hyper::Response::from(response))
                }
            });
            let mut connection = pin!(
                http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(next_head)
                    .max_buf_size(BUFFER)
                    .serve_connection(TokioIo::new(stream), service)
            );
            let mut first_head = pin!(sleep(first_head));
            let mut waiting = Closing::AfterThisRequest;
            loop {
                tokio::select! {
                    // A connection that breaks is the client's business.
                    _ = connection.as_mut() => break,
                    () = first_head.as_mut(), if !first_head.is_elapsed() => {
                        if !asked.load(Ordering::Relaxed) {
                            break;
                        }
                    }
                    _ = closing.wait_for(|closing| *closing >= waiting) => {
                        if waiting == Closing::Now {
                            break;
                        }
                        waiting = Closing::Now;
                        connection.as_mut().graceful_shutdown();
                    }
                }
            }
        }
    }

    async fn finish(self, deadline: Instant) {
        self.closing.send_replace(Closing::AfterThisRequest);
        let all = self.limits.connections;
        if timeout_at(deadline, self.places.acquire_many(all))
            .await
            .is_err()
        {
            let count = all as usize - self.places.available_permits();
            tracing::warn!(count, "connections were cut at the end of the drain");
            self.closing.send_replace(Closing::Now);
            // They end at once; the wait is only for their tasks to be dropped.
            let _ = timeout_at(
                deadline + Duration::from_millis(500),
                self.places.acquire_many(all),
            )
            .await;
        }
    }
}

#[cfg(test)]
mod tests;
