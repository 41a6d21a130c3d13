//! `GET /metrics`.

use poem::{Response, http::StatusCode};

use crate::telemetry::Metrics;

/// Prometheus text format 0.0.4. Holds no organization's and no person's id.
pub fn render(metrics: &Metrics) -> Response {
    match metrics.render() {
        Ok(text) => Response::builder()
            .content_type("text/plain; version=0.0.4; charset=utf-8")
            .body(text),
        Err(error) => {
            tracing::error!(%error, "the metrics could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into()
        }
    }
}
