//! Reading a provider's documents over the gateway's HTTP client.

use chrono::TimeDelta;
use http::header::{ACCEPT, CACHE_CONTROL, HeaderMap};
use http::{Method, StatusCode};
use url::Url;

use crate::trace::CheckName;
use crate::{ConnectorError, HttpClient, HttpFailure, HttpRequest, HttpResponse};

/// Lifetimes of a cached document (STACK.md section 2): what `Cache-Control` says, within these bounds.
const SHORTEST: TimeDelta = TimeDelta::minutes(5);
const USUAL: TimeDelta = TimeDelta::hours(1);
const LONGEST: TimeDelta = TimeDelta::hours(24);

/// Metadata or key set: its text, and how long it may be kept. The client follows no redirect, so one is
/// reported: a document must stand where the issuer says (Discovery 1.0 section 4).
pub(super) async fn document(
    http: &impl HttpClient,
    url: &Url,
    max_response_bytes: usize,
) -> Result<(Vec<u8>, TimeDelta), ConnectorError> {
    let request = HttpRequest {
        method: Method::GET,
        url: url.clone(),
        headers: vec![(ACCEPT, "application/json".to_owned())],
        body: Vec::new(),
        max_response_bytes,
    };
    let answer = send(http, request, CheckName::Discovery).await?;
    if answer.status != StatusCode::OK {
        let reason = format!("{url} answered {}", status(&answer));
        return Err(ConnectorError::DiscoveryInvalid { reason });
    }
    Ok((answer.body, lifetime(&answer.headers)))
}

/// Sends one request. No answer, or one in which a proxy says that there is none, is `idp_unreachable`.
pub(super) async fn send(
    http: &impl HttpClient,
    request: HttpRequest,
    at: CheckName,
) -> Result<HttpResponse, ConnectorError> {
    let url = request.url.to_string();
    let unreachable = |url, reason| ConnectorError::IdpUnreachable { at, url, reason };
    match http.send(request).await {
        Ok(answer) if is_outage(answer.status) => {
            Err(unreachable(url, format!("it answered {}", status(&answer))))
        }
        Ok(answer) => Ok(answer),
        Err(HttpFailure::TooLarge { limit }) => {
            let reason = format!("the answer of {url} is larger than {limit} bytes");
            Err(match at {
                CheckName::TokenExchange => ConnectorError::TokenExchangeFailed { reason },
                _ => ConnectorError::DiscoveryInvalid { reason },
            })
        }
        Err(failure) => Err(unreachable(url, failure.to_string())),
    }
}

fn is_outage(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT
            | StatusCode::TOO_MANY_REQUESTS
    )
}

/// The status with the address that a redirect names: often the one that should have been saved.
pub(super) fn status(answer: &HttpResponse) -> String {
    let location = answer
        .headers
        .get(http::header::LOCATION)
        .and_then(|value| value.to_str().ok());
    match location.filter(|_| answer.status.is_redirection()) {
        Some(location) => format!("{} to {location}", answer.status),
        None => answer.status.to_string(),
    }
}

fn lifetime(headers: &HeaderMap) -> TimeDelta {
    let values = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let directives = values
        .flat_map(|value| value.split(','))
        .map(|d| d.trim().to_ascii_lowercase());
    let mut lifetime = USUAL;
    for directive in directives {
        if directive == "no-store" || directive == "no-cache" {
            return SHORTEST;
        }
        if let Some(seconds) = directive.strip_prefix("max-age=") {
            let seconds = seconds.trim_matches('"').parse().unwrap_or(0);
            lifetime = TimeDelta::try_seconds(seconds).unwrap_or(LONGEST);
        }
    }
    lifetime.clamp(SHORTEST, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_control_counts_between_five_minutes_and_a_day() {
        let cases = [
            ("", USUAL),
            ("max-age=1800", TimeDelta::minutes(30)),
            (
                "public, Max-Age=21600, must-revalidate",
                TimeDelta::hours(6),
            ),
            ("max-age=1", SHORTEST),
            ("max-age=-1", SHORTEST),
            ("max-age=soon", SHORTEST),
            ("max-age=9223372036854775807", LONGEST),
            ("max-age=3600, no-store", SHORTEST),
        ];
        for (value, expected) in cases {
            let headers = HeaderMap::from_iter([(CACHE_CONTROL, value.parse().unwrap())]);
            assert_eq!(lifetime(&headers), expected, "{value}");
        }
        assert_eq!(lifetime(&HeaderMap::new()), USUAL);
    }
}
