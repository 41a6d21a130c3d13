//! One line per event: JSON for machines, one short line for people. Only fields that are on the list below
//! are printed, so that a secret that somebody hands to a log macro, or a library's own field, stays inside
//! (SECURITY-MODEL G27).

use std::{
    fmt::{self, Write as _},
    io::Write as _,
    sync::Arc,
};

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};
use tracing_subscriber::{Layer, fmt::MakeWriter, layer::Context, registry::LookupSpan};

use crate::{clock::Clock, config::LogFormat};

/// What may be printed. None of these ever holds a secret; think before you add one. There is no `path` or
/// `url`: they carry handles and portal links.
const PRINTED: [&str; 38] = [
    "actor",
    "address",
    "attempt",
    "bytes",
    "check",
    "client_ip",
    "code",
    "connection_id",
    "count",
    "delivery_id",
    "directory_id",
    "domain",
    "duration_ms",
    "endpoint_id",
    "error",
    "event_id",
    "event_type",
    "grant",
    "host",
    "key_id",
    "limit",
    "location",
    "login_id",
    "method",
    "migration",
    "op",
    "organization_id",
    "outcome",
    "provider",
    "reason",
    "request_id",
    "resource",
    "route",
    "sequence",
    "session_id",
    "status",
    "user_id",
    "version",
];

/// The fields of one span or event that may be printed, in the order given.
#[derive(Debug, Default, Clone)]
struct Fields {
    message: String,
    printed: Vec<(&'static str, Value)>,
}

impl Fields {
    fn set(&mut self, field: &Field, value: Value) {
        let name = field.name();
        if name == "message" {
            self.message = value
                .as_str()
                .map_or_else(|| value.to_string(), ToOwned::to_owned);
        } else if PRINTED.contains(&name) {
            self.printed.retain(|(known, _)| *known != name);
            self.printed.push((name, value));
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, Value::String(format!("{value:?}")));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value.into());
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value.into());
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value.into());
    }
}

pub(super) struct LogLayer<W> {
    format: LogFormat,
    colour: bool,
    clock: Arc<dyn Clock>,
    writer: W,
}

impl<W> LogLayer<W> {
    pub(super) fn new(format: LogFormat, colour: bool, clock: Arc<dyn Clock>, writer: W) -> Self {
        Self {
            format,
            colour,
            clock,
            writer,
        }
    }

    fn render(&self, metadata: &Metadata<'_>, fields: Fields) -> String {
        let now = self.clock.now();
        let mut line = match self.format {
            LogFormat::Json => json_line(now, metadata, fields),
            LogFormat::Pretty => pretty_line(now, metadata, &fields, self.colour),
        };
        line.push('\n');
        line
    }
}

impl<S, W> Layer<S> for LogLayer<W>
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    W: for<'writer> MakeWriter<'writer> + 'static,
{
    fn on_new_span(
        &self,
        attributes: &span::Attributes<'_>,
        id: &span::Id,
        context: Context<'_, S>,
    ) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &span::Id, values: &span::Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        // What the spans around it know, outermost first, unless the event says it itself.
        let spans = context
            .event_scope(event)
            .into_iter()
            .flat_map(|scope| scope.from_root());
        let mut around: Vec<(&'static str, Value)> = Vec::new();
        for span in spans {
            if let Some(known) = span.extensions().get::<Fields>() {
                around.extend(known.printed.iter().cloned());
            }
        }
        for (name, value) in around.into_iter().rev() {
            if !fields.printed.iter().any(|(known, _)| *known == name) {
                fields.printed.insert(0, (name, value));
            }
        }
        let line = self.render(event.metadata(), fields);
        // A log that can't be written has nowhere to complain.
        let _ = self
            .writer
            .make_writer_for(event.metadata())
            .write_all(line.as_bytes());
    }
}

/// `{"time": …, "level": …, "target": …, "message": …, <fields>}`; the encoding escapes control characters.
fn json_line(now: DateTime<Utc>, metadata: &Metadata<'_>, fields: Fields) -> String {
    let mut line = Map::new();
    let level = metadata.level().as_str().to_ascii_lowercase();
    line.insert(
        "time".to_owned(),
        now.to_rfc3339_opts(SecondsFormat::Millis, true).into(),
    );
    line.insert("level".to_owned(), level.into());
    line.insert("target".to_owned(), metadata.target().into());
    line.insert("message".to_owned(), fields.message.into());
    for (name, value) in fields.printed {
        line.insert(name.to_owned(), value);
    }
    Value::Object(line).to_string()
}

/// `09:30:00.123  INFO  message  key=value …`
fn pretty_line(
    now: DateTime<Utc>,
    metadata: &Metadata<'_>,
    fields: &Fields,
    colour: bool,
) -> String {
    let level = *metadata.level();
    let (paint, plain) = match level {
        _ if !colour => ("", ""),
        Level::ERROR => ("\x1b[31m", "\x1b[0m"),
        Level::WARN => ("\x1b[33m", "\x1b[0m"),
        Level::INFO => ("\x1b[32m", "\x1b[0m"),
        _ => ("\x1b[2m", "\x1b[0m"),
    };
    let mut line = format!(
        "{} {paint}{:>5}{plain}  {}",
        now.format("%H:%M:%S%.3f"),
        level.as_str(),
        printable(&fields.message)
    );
    for (name, value) in &fields.printed {
        let text = value.as_str().map_or_else(|| value.to_string(), printable);
        // A `String` takes every write.
        let _ = write!(line, "  {name}={text}");
    }
    line
}

/// `text` on one line and without terminal control sequences.
fn printable(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_control() {
            line.extend(char.escape_default());
        } else {
            line.push(char);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use std::{io, sync::Mutex};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    struct Noon;

    impl Clock for Noon {
        fn now(&self) -> DateTime<Utc> {
            DateTime::from_timestamp_millis(1_795_341_000_123).unwrap()
        }
    }

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, events: impl FnOnce()) -> String {
        let sink = Sink::default();
        let written = sink.clone();
        let layer = LogLayer::new(format, false, Arc::new(Noon), move || sink.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), events);
        let bytes = written.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_line_carries_the_fields_of_its_spans() {
        let lines = logged(LogFormat::Json, || {
            let span = tracing::info_span!(
                "request",
                request_id = "abcdefgh",
                user_id = tracing::field::Empty
            );
            span.in_scope(|| {
                span.record("user_id", "usr_1");
                tracing::warn!(status = 404, outcome = "failed", "answered");
            });
        });
        insta::assert_snapshot!(lines, @r#"{"time":"2026-11-22T09:50:00.123Z","level":"warn","target":"gateway::telemetry::log::tests","message":"answered","request_id":"abcdefgh","user_id":"usr_1","status":404,"outcome":"failed"}"#);
    }

    #[test]
    fn only_listed_fields_are_printed() {
        for format in [LogFormat::Json, LogFormat::Pretty] {
            let lines = logged(format, || {
                let span = tracing::info_span!("s", token = "canary-1", authorization = "canary-2");
                span.in_scope(|| {
                    tracing::error!(secret = "canary-3", path = "/canary-4", "failed")
                });
            });
            assert!(
                lines.contains("failed") && !lines.contains("canary"),
                "{lines}"
            );
        }
    }

    #[test]
    fn control_characters_stay_escaped() {
        for format in [LogFormat::Json, LogFormat::Pretty] {
            let hostile = "a\nINFO forged\x1b[2Jé";
            let lines = logged(format, || tracing::info!(error = hostile, "said {hostile}"));
            assert_eq!(lines.matches('\n').count(), 1, "{lines:?}");
            assert!(!lines.contains('\x1b') && lines.contains('é'), "{lines:?}");
        }
    }

    #[test]
    fn people_get_one_short_line() {
        let lines = logged(LogFormat::Pretty, || {
            tracing::info!(route = "/health/live", status = 200, "answered");
        });
        insta::assert_snapshot!(lines, @r#"09:50:00.123  INFO  answered  route=/health/live  status=200"#);
    }
}
