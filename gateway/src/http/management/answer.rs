//! Answers of operations that change something, in a form that can be kept for `Idempotency-Key`.

use std::marker::PhantomData;

use poem::{IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::payload::{Json, Payload};
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::ToJSON;

/// A JSON answer of type `T` with a fixed status. It holds the final text, since a repeated request gets the
/// same one again.
#[derive(Debug)]
pub(super) struct Answer<const STATUS: u16, T> {
    pub(super) body: String,
    shape: PhantomData<fn() -> T>,
}

/// 201 with what was created.
pub(super) type Created<T> = Answer<201, T>;
/// 200 with what it is now.
pub(super) type Done<T> = Answer<200, T>;

impl<const STATUS: u16, T: ToJSON> Answer<STATUS, T> {
    pub(super) fn new(value: &T) -> Self {
        Self::kept(value.to_json_string())
    }
}

impl<const STATUS: u16, T> Answer<STATUS, T> {
    pub(super) fn kept(body: String) -> Self {
        Self {
            body,
            shape: PhantomData,
        }
    }
}

impl<const STATUS: u16, T: Send> IntoResponse for Answer<STATUS, T> {
    fn into_response(self) -> Response {
        Response::builder()
            .status(http::StatusCode::from_u16(STATUS).unwrap_or_default())
            .content_type("application/json; charset=utf-8")
            // It may hold a secret that is shown once.
            .header(http::header::CACHE_CONTROL, "no-store")
            .body(self.body)
    }
}

impl<const STATUS: u16, T: ToJSON> ApiResponse for Answer<STATUS, T> {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![MetaResponse {
                description: if STATUS == 201 { "Created." } else { "Done." },
                status: Some(STATUS),
                status_range: None,
                content: vec![MetaMediaType {
                    content_type: Json::<T>::CONTENT_TYPE,
                    schema: T::schema_ref(),
                }],
                headers: vec![],
            }],
        }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

/// 204: it is gone.
#[derive(Debug)]
pub(super) struct Deleted;

impl IntoResponse for Deleted {
    fn into_response(self) -> Response {
        http::StatusCode::NO_CONTENT.into_response()
    }
}

impl ApiResponse for Deleted {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![MetaResponse {
                description: "Gone.",
                status: Some(204),
                status_range: None,
                content: vec![],
                headers: vec![],
            }],
        }
    }

    fn register(_: &mut Registry) {}
}
