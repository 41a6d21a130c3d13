//! The counters of this process. Names and units follow OpenTelemetry where it has them. A label is a word
//! from the code (`&'static str`) or a route's pattern, so an organization's or a person's id can't become one.

use std::{sync::Arc, time::Duration};

use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts,
    Registry, TextEncoder, core::Collector,
};

/// The boundaries that OpenTelemetry's HTTP conventions advise, in seconds.
const DURATION_BUCKETS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// Cheap to clone; all clones count together.
#[derive(Clone)]
pub struct Metrics(Arc<Counters>);

struct Counters {
    registry: Registry,
    http_server_request_duration: HistogramVec,
    sso_logins: IntCounterVec,
    scim_operations: IntCounterVec,
    token_issued: IntCounterVec,
    egress_blocked: IntCounterVec,
    rate_limited: IntCounterVec,
    webhook_attempts: IntCounterVec,
    webhook_delivery_latency: Histogram,
    webhook_streams_blocked: IntGauge,
    logout_notices_abandoned: IntCounter,
    lease_takeovers: IntCounter,
    outbox_lag: Gauge,
    outbox_unsequenced_events: IntGauge,
    provisioning_log_dropped: IntCounter,
}

impl Metrics {
    /// # Errors
    /// When two metrics have one name, which a test rules out.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let register = Register(&registry);
        let counters = Counters {
            http_server_request_duration: register.add(HistogramVec::new(
                HistogramOpts::new(
                    "http_server_request_duration_seconds",
                    "Time from a request's head to the answer's head.",
                )
                .buckets(DURATION_BUCKETS.to_vec()),
                &[
                    "http_route",
                    "http_request_method",
                    "http_response_status_code",
                ],
            )?)?,
            sso_logins: register.counters(
                "sso_logins_total",
                "Sign-ins that ended.",
                &["protocol", "outcome", "reason"],
            )?,
            scim_operations: register.counters(
                "scim_operations_total",
                "SCIM operations.",
                &["resource", "op", "outcome"],
            )?,
            token_issued: register.counters(
                "token_issued_total",
                "Answers of the token endpoint that carry tokens.",
                &["grant"],
            )?,
            egress_blocked: register.counters(
                "egress_blocked_total",
                "Outgoing requests that were refused before a connection.",
                &["reason"],
            )?,
            rate_limited: register.counters(
                "rate_limited_total",
                "Requests that were answered with 429.",
                &["limit"],
            )?,
            webhook_attempts: register.counters(
                "webhook_attempts_total",
                "Attempts to deliver an event.",
                &["outcome"],
            )?,
            webhook_delivery_latency: register.add(Histogram::with_opts(
                HistogramOpts::new(
                    "webhook_delivery_latency_seconds",
                    "Time from an event's commit to its acceptance by an endpoint.",
                )
                .buckets(DURATION_BUCKETS.to_vec()),
            )?)?,
            webhook_streams_blocked: register.add(IntGauge::new(
                "webhook_streams_blocked",
                "Delivery streams that wait for a retry.",
            )?)?,
            logout_notices_abandoned: register.add(IntCounter::new(
                "logout_notices_abandoned_total",
                "Back-channel logout notices that no attempt got to their application.",
            )?)?,
            lease_takeovers: register.add(IntCounter::new(
                "lease_takeovers_total",
                "Leases that ran out in another worker's hands.",
            )?)?,
            outbox_lag: register.add(Gauge::new(
                "outbox_lag_seconds",
                "Age of the oldest event that waits for its first attempt.",
            )?)?,
            outbox_unsequenced_events: register.add(IntGauge::new(
                "outbox_unsequenced_events",
                "Committed events that have no place in the global feed yet.",
            )?)?,
            provisioning_log_dropped: register.add(IntCounter::new(
                "provisioning_log_dropped_total",
                "Requests of directories that the provisioning log had no room for or could not write.",
            )?)?,
            registry: registry.clone(),
        };
        Ok(Self(Arc::new(counters)))
    }

    /// Shows what the store counts.
    ///
    /// # Errors
    /// When it is shown already.
    pub fn watch(&self, store: &crate::store::Counters) -> Result<(), prometheus::Error> {
        for counter in [
            &store.statements,
            &store.durable_commits,
            &store.relaxed_commits,
        ] {
            self.0.registry.register(Box::new(counter.clone()))?;
        }
        Ok(())
    }

    /// `route` is the pattern (`/scim/v2/:dir/Users`), never the path.
    pub fn http_request(&self, route: &str, method: &http::Method, status: u16, took: Duration) {
        let status = status.to_string();
        let labels = [route, method_label(method), &status];
        self.0
            .http_server_request_duration
            .with_label_values(&labels)
            .observe(took.as_secs_f64());
    }

    /// `reason` is the login's code, or empty when it succeeded.
    pub fn sso_login(&self, protocol: &'static str, outcome: &'static str, reason: &'static str) {
        self.0
            .sso_logins
            .with_label_values(&[protocol, outcome, reason])
            .inc();
    }

    pub fn scim_operation(&self, resource: &'static str, op: &'static str, outcome: &'static str) {
        self.0
            .scim_operations
            .with_label_values(&[resource, op, outcome])
            .inc();
    }

    pub fn token_issued(&self, grant: &'static str) {
        self.0.token_issued.with_label_values(&[grant]).inc();
    }

    pub fn egress_blocked(&self, reason: &'static str) {
        self.0.egress_blocked.with_label_values(&[reason]).inc();
    }

    pub fn rate_limited(&self, limit: &'static str) {
        self.0.rate_limited.with_label_values(&[limit]).inc();
    }

    pub fn webhook_attempt(&self, outcome: &'static str) {
        self.0.webhook_attempts.with_label_values(&[outcome]).inc();
    }

    pub fn webhook_delivered(&self, since_commit: Duration) {
        self.0
            .webhook_delivery_latency
            .observe(since_commit.as_secs_f64());
    }

    pub fn set_webhook_streams_blocked(&self, streams: i64) {
        self.0.webhook_streams_blocked.set(streams);
    }

    pub fn logout_notice_abandoned(&self) {
        self.0.logout_notices_abandoned.inc();
    }

    pub fn lease_taken_over(&self) {
        self.0.lease_takeovers.inc();
    }

    pub fn set_outbox_lag(&self, lag: Duration) {
        self.0.outbox_lag.set(lag.as_secs_f64());
    }

    pub fn set_outbox_unsequenced_events(&self, events: i64) {
        self.0.outbox_unsequenced_events.set(events);
    }

    pub fn provisioning_log_dropped(&self, requests: u64) {
        self.0.provisioning_log_dropped.inc_by(requests);
    }

    /// Prometheus text format 0.0.4.
    ///
    /// # Errors
    /// When a metric can't be encoded.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.0.registry.gather())
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Metrics")
    }
}

struct Register<'a>(&'a Registry);

impl Register<'_> {
    fn add<C: Collector + Clone + 'static>(&self, collector: C) -> Result<C, prometheus::Error> {
        self.0.register(Box::new(collector.clone()))?;
        Ok(collector)
    }

    fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        self.add(IntCounterVec::new(Opts::new(name, help), labels)?)
    }
}

/// A method that a client made up would be a new time series for each request.
fn method_label(method: &http::Method) -> &str {
    match method.as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS") => known,
        _ => "_OTHER",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_its_documented_name_and_labels() {
        let metrics = Metrics::new().unwrap();
        let took = Duration::from_millis(7);
        metrics.http_request("/scim/v2/:dir/Users", &http::Method::GET, 200, took);
        metrics.http_request(
            "unmatched",
            &http::Method::from_bytes(b"BREW").unwrap(),
            404,
            took,
        );
        metrics.sso_login("saml", "failed", "audience_mismatch");
        metrics.scim_operation("User", "patch", "succeeded");
        metrics.token_issued("authorization_code");
        metrics.egress_blocked("loopback");
        metrics.rate_limited("address");
        metrics.webhook_attempt("accepted");
        metrics.webhook_delivered(took);
        metrics.set_webhook_streams_blocked(3);
        metrics.logout_notice_abandoned();
        metrics.lease_taken_over();
        metrics.set_outbox_lag(took);
        metrics.set_outbox_unsequenced_events(4);
        metrics.provisioning_log_dropped(2);
        let text = metrics.render().unwrap();
        let samples: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.contains("_bucket{"))
            .collect();
        insta::assert_snapshot!(samples.join("\n"), @r#"
        egress_blocked_total{reason="loopback"} 1
        http_server_request_duration_seconds_sum{http_request_method="GET",http_response_status_code="200",http_route="/scim/v2/:dir/Users"} 0.007
        http_server_request_duration_seconds_count{http_request_method="GET",http_response_status_code="200",http_route="/scim/v2/:dir/Users"} 1
        http_server_request_duration_seconds_sum{http_request_method="_OTHER",http_response_status_code="404",http_route="unmatched"} 0.007
        http_server_request_duration_seconds_count{http_request_method="_OTHER",http_response_status_code="404",http_route="unmatched"} 1
        lease_takeovers_total 1
        logout_notices_abandoned_total 1
        outbox_lag_seconds 0.007
        outbox_unsequenced_events 4
        provisioning_log_dropped_total 2
        rate_limited_total{limit="address"} 1
        scim_operations_total{op="patch",outcome="succeeded",resource="User"} 1
        sso_logins_total{outcome="failed",protocol="saml",reason="audience_mismatch"} 1
        token_issued_total{grant="authorization_code"} 1
        webhook_attempts_total{outcome="accepted"} 1
        webhook_delivery_latency_seconds_sum 0.007
        webhook_delivery_latency_seconds_count 1
        webhook_streams_blocked 3
        "#);
    }
}
