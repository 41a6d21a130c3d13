//! Request bodies: bounded in size and in the time they take to arrive.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use poem::{
    Body, Endpoint, Middleware, Request, Result,
    error::ReadBodyError,
    http::header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};
use tokio::time::{Sleep, sleep};

/// What a route accepts that sets no limit of its own.
pub const DEFAULT_BODY_LIMIT: usize = 1024 * 1024;

/// A body that drips in would hold a connection and its buffer for ever.
const TIME_TO_SEND: Duration = Duration::from_secs(30);

/// Bounds the bodies of what it wraps. The limit nearest to the handler counts, so a route can raise the
/// limit of the whole server: `.with(BodyLimit(2 * 1024 * 1024))`. The body is not read before the handler
/// asks for it, and so not before it knows who calls.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimit(pub usize);

/// A body that was not taken. It comes to the handler as the error of whatever reads the body; a face finds it
/// with [`BodyRefused::in_error`] and answers 413 or 408 in its own format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyRefused {
    /// 413.
    #[error("the body is larger than {limit} bytes")]
    TooLarge { limit: usize },
    /// 408.
    #[error("the body did not arrive within {} s", TIME_TO_SEND.as_secs())]
    TooSlow,
}

impl BodyRefused {
    pub fn in_error(error: &poem::Error) -> Option<Self> {
        Self::in_read_error(error.downcast_ref::<ReadBodyError>()?)
    }

    /// For handlers that read the body themselves.
    pub fn in_read_error(error: &ReadBodyError) -> Option<Self> {
        let ReadBodyError::Io(error) = error else {
            return None;
        };
        let mut error = error;
        // poem wraps the stream's error into one or two more of its kind.
        loop {
            let inner = error.get_ref()?;
            match inner.downcast_ref::<Self>() {
                Some(refused) => return Some(*refused),
                None => error = inner.downcast_ref::<io::Error>()?,
            }
        }
    }
}

impl<E: Endpoint> Middleware<E> for BodyLimit {
    type Output = BodyLimitEndpoint<E>;

    fn transform(&self, inner: E) -> Self::Output {
        BodyLimitEndpoint {
            inner,
            limit: self.0,
        }
    }
}

pub struct BodyLimitEndpoint<E> {
    inner: E,
    limit: usize,
}

/// The limit of the body that is on its way, shared by all [`BodyLimit`]s around one handler.
#[derive(Clone)]
struct Budget(Arc<AtomicUsize>);

impl<E: Endpoint> Endpoint for BodyLimitEndpoint<E> {
    type Output = E::Output;

    async fn call(&self, mut request: Request) -> Result<Self::Output> {
        if let Some(budget) = request.data::<Budget>() {
            budget.0.store(self.limit, Ordering::Relaxed);
        } else if has_body(&request) {
            let budget = Budget(Arc::new(AtomicUsize::new(self.limit)));
            let announced = announced(&request);
            let stream = request.take_body().into_bytes_stream();
            let body = LimitedBody::new(stream, announced, budget.clone(), TIME_TO_SEND);
            request.set_body(Body::from_bytes_stream(body));
            request.set_data(budget);
        }
        self.inner.call(request).await
    }
}

fn has_body(request: &Request) -> bool {
    let headers = request.headers();
    headers.contains_key(TRANSFER_ENCODING) || announced(request) > 0
}

fn announced(request: &Request) -> usize {
    let length = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    length.and_then(|length| length.parse().ok()).unwrap_or(0)
}

/// Read and thrown away of a body that is too large, in bytes: a client that is still sending would not see
/// the answer, only a broken connection.
const DISCARDED: usize = 16 * 1024 * 1024;

struct LimitedBody {
    inner: Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>,
    announced: usize,
    budget: Budget,
    received: usize,
    deadline: Pin<Box<Sleep>>,
}

impl LimitedBody {
    fn new(
        inner: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
        announced: usize,
        budget: Budget,
        time_to_send: Duration,
    ) -> Self {
        let deadline = Box::pin(sleep(time_to_send));
        Self {
            inner: Box::pin(inner),
            announced,
            budget,
            received: 0,
            deadline,
        }
    }
}

impl Stream for LimitedBody {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let refuse = |refused| Poll::Ready(Some(Err(io::Error::other(refused))));
        let limit = self.budget.0.load(Ordering::Relaxed);
        let most = limit.saturating_add(DISCARDED);
        // What is announced as far too large is refused before a byte of it is asked for.
        if self.announced > most {
            return refuse(BodyRefused::TooLarge { limit });
        }
        loop {
            let too_large = self.received > limit || self.announced > limit;
            match self.inner.poll_next_unpin(context) {
                Poll::Ready(Some(Ok(bytes))) => {
                    self.received += bytes.len();
                    if self.received > most {
                        return refuse(BodyRefused::TooLarge { limit });
                    }
                    if self.received <= limit && self.announced <= limit {
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
                Poll::Ready(None) if too_large => return refuse(BodyRefused::TooLarge { limit }),
                Poll::Pending if self.deadline.as_mut().poll(context).is_ready() => {
                    return refuse(BodyRefused::TooSlow);
                }
                other => return other,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use poem::{EndpointExt, Response, Route, endpoint::make, http::StatusCode};

    use super::*;

    async fn length_or_refusal(request: Request) -> String {
        match request.into_body().into_bytes().await {
            Ok(bytes) => bytes.len().to_string(),
            Err(error) => BodyRefused::in_read_error(&error).unwrap().to_string(),
        }
    }

    async fn post(path: &str, header: (&str, &str), length: usize) -> String {
        let routes = Route::new()
            .at("/default", make(length_or_refusal))
            .at("/large", make(length_or_refusal).with(BodyLimit(20)))
            .at("/small", make(length_or_refusal).with(BodyLimit(5)));
        let request = Request::builder()
            .uri(path.parse().unwrap())
            .header(header.0, header.1);
        let server = routes.with(BodyLimit(10));
        let response = server.get_response(request.body("x".repeat(length))).await;
        response.into_body().into_string().await.unwrap()
    }

    #[tokio::test]
    async fn the_limit_nearest_to_the_handler_counts() {
        for (path, limit) in [("/small", 5), ("/default", 10), ("/large", 20)] {
            let refused = format!("the body is larger than {limit} bytes");
            for length in [limit, limit + 1] {
                let expected = if length == limit {
                    &length.to_string()
                } else {
                    &refused
                };
                let announced = ("content-length", length.to_string());
                let chunked = ("transfer-encoding", "chunked".to_owned());
                for (name, value) in [announced, chunked] {
                    assert_eq!(
                        post(path, (name, &value), length).await,
                        *expected,
                        "{path} {name}"
                    );
                }
            }
        }
    }

    #[tokio::test]
    async fn a_length_that_lies_does_not_help() {
        let answer = post("/small", ("content-length", "5"), 6).await;
        assert_eq!(answer, "the body is larger than 5 bytes");
    }

    #[tokio::test]
    async fn extractors_pass_the_refusal_on_to_the_face() {
        #[poem::handler]
        async fn read(_body: String) -> StatusCode {
            StatusCode::OK
        }
        let face = read
            .with(BodyLimit(3))
            .catch_all_error(
                async |error: poem::Error| match BodyRefused::in_error(&error) {
                    Some(BodyRefused::TooLarge { limit: 3 }) => StatusCode::PAYLOAD_TOO_LARGE,
                    _ => StatusCode::IM_A_TEAPOT,
                },
            );
        let request = Request::builder().header("content-length", 4).body("xxxx");
        let response: Response = face.map_to_response().get_response(request).await;
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test]
    async fn a_body_that_drips_or_stalls_is_given_up() {
        let dripping = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            Some((Ok(Bytes::from_static(b".")), ()))
        });
        let stalled = futures_util::stream::pending().boxed();
        for stream in [dripping.boxed(), stalled] {
            let budget = Budget(Arc::new(AtomicUsize::new(1_000_000)));
            let body = LimitedBody::new(stream, 0, budget, Duration::from_millis(50));
            let error = Body::from_bytes_stream(body)
                .into_bytes()
                .await
                .unwrap_err();
            assert_eq!(
                BodyRefused::in_read_error(&error),
                Some(BodyRefused::TooSlow)
            );
        }
    }
}
