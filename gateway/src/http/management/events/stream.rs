//! The feed as server-sent events (HTML standard, section 9.2).

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use poem::Body;
use poem_openapi::types::ToJSON;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::app::App;
use crate::error::{Error, Fault};
use crate::flows::event_feed::FeedReader;

/// Read at a time.
const BATCH: u64 = 100;
/// How often the feed is looked at for what other replicas recorded.
const POLL: Duration = Duration::from_secs(1);
/// A comment goes out so often when nothing happens, so that proxies keep the connection.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Then the client comes back, and its key is looked at again.
const LONGEST: Duration = Duration::from_secs(15 * 60);

struct Stream {
    app: App,
    reader: FeedReader,
    recorded: watch::Receiver<u64>,
    until: Instant,
    last_byte: Instant,
    greeted: bool,
    over: bool,
}

/// Events behind the reader's place, each with the cursor behind it as its `id`, until the client leaves, the
/// process drains, or the reader's place is gone.
pub(super) fn body(app: App, reader: FeedReader) -> Body {
    let now = Instant::now();
    let begun = Stream {
        recorded: app.store.events_recorded(),
        app,
        reader,
        until: now + LONGEST,
        last_byte: now,
        greeted: false,
        over: false,
    };
    Body::from_bytes_stream(stream::unfold(begun, async |mut stream| {
        let text = stream.next().await?;
        stream.last_byte = Instant::now();
        Some((Ok::<_, std::io::Error>(Bytes::from(text)), stream))
    }))
}

impl Stream {
    async fn next(&mut self) -> Option<String> {
        if !self.greeted {
            self.greeted = true;
            return Some("retry: 1000\n\n".to_owned());
        }
        while !self.over && !self.app.drain.has_begun() {
            self.recorded.borrow_and_update();
            match self.reader.next(&self.app, BATCH).await {
                Ok(events) if events.is_empty() => {}
                Ok(events) => {
                    let mut text = String::new();
                    for event in &events {
                        // An envelope is one line of JSON.
                        text.push_str("id: ");
                        text.push_str(&self.reader.cursor_of(event));
                        text.push_str("\ndata: ");
                        text.push_str(&event.body);
                        text.push_str("\n\n");
                    }
                    return Some(text);
                }
                Err(error) => {
                    self.over = true;
                    return Some(farewell(&error));
                }
            }
            tokio::select! {
                () = self.app.drain.begun() => self.over = true,
                () = sleep_until(self.until) => self.over = true,
                _ = self.recorded.changed() => {}
                () = sleep(POLL) => {}
            }
            if self.last_byte.elapsed() >= HEARTBEAT {
                return Some(": alive\n\n".to_owned());
            }
        }
        None
    }
}

/// The status is long gone: an event of its own type says why the stream ends.
fn farewell(error: &Error) -> String {
    let detail = match error.fault() {
        Fault::Operator => {
            tracing::error!(%error, "an event stream failed");
            "try again".to_owned()
        }
        _ => error.to_string(),
    };
    let problem = serde_json::json!({"code": error.code(), "detail": detail});
    format!("event: problem\ndata: {}\n\n", problem.to_json_string())
}
