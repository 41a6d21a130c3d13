//! JSON bodies, checked against the very schema that the OpenAPI document shows.

mod check;

use std::sync::LazyLock;

use poem::{Request, RequestBody};
use poem_openapi::payload::{Json, Payload};
use poem_openapi::registry::{MetaMediaType, MetaRequest, Registry};
use poem_openapi::types::ParseFromJSON;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions, OpenApi};
use serde_json::Value;

use super::Api;
use super::problem::Problem;
use crate::error::Error;

/// A JSON body. Every problem in it is reported at once, each with the path of its field; a field that the
/// schema does not have is one of them.
#[derive(Debug)]
pub(super) struct Body<T>(pub T);

/// A JSON body that may be left out, which says nothing.
#[derive(Debug)]
pub(super) struct OptionalBody<T>(pub T);

static SCHEMAS: LazyLock<Registry> = LazyLock::new(|| {
    let mut registry = Registry::new();
    <Api as OpenApi>::register(&mut registry);
    registry
});

fn parse<T: ParseFromJSON>(bytes: &[u8]) -> Result<T, Error> {
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|error| Error::Malformed(format!("the body is not JSON: {error}")))?;
    let problems = check::check(&value, &T::schema_ref(), &SCHEMAS);
    if !problems.is_empty() {
        return Err(Error::Invalid(problems));
    }
    T::parse_from_json(Some(value)).map_err(|error| Error::Malformed(error.into_message()))
}

impl<'a, T: ParseFromJSON> ApiExtractor<'a> for Body<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(MetaRequest {
            description: None,
            content: vec![MetaMediaType {
                content_type: "application/json",
                schema: T::schema_ref(),
            }],
            required: true,
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        check_type::<T>(request)?;
        let bytes = body.take()?.into_bytes().await?;
        Ok(Self(parse(&bytes).map_err(Problem::from)?))
    }
}

impl<'a, T: ParseFromJSON + Default> ApiExtractor<'a> for OptionalBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let meta = Body::<T>::request_meta()?;
        Some(MetaRequest {
            required: false,
            ..meta
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let bytes = body.take()?.into_bytes().await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        check_type::<T>(request)?;
        Ok(Self(parse(&bytes).map_err(Problem::from)?))
    }
}

fn check_type<T: ParseFromJSON>(request: &Request) -> poem::Result<()> {
    match request.content_type() {
        Some(content_type) if !Json::<T>::check_content_type(content_type) => Err(Problem::http(
            http::StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "the body has to be application/json",
        )
        .into()),
        _ => Ok(()),
    }
}
