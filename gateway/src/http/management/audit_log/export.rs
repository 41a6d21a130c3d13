//! The audit log as NDJSON, read page by page as fast as the client takes it.

use std::io;

use bytes::Bytes;
use futures_util::stream;
use poem::{Body, IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{
    MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry,
};
use poem_openapi::types::ToJSON;

use crate::ids::AuditEntryId;
use crate::store::audit::{self, AuditFilter};
use crate::store::{OrgScope, Store, StoreError};

/// Rows read at a time.
const PAGE: u64 = 500;
const CONTENT_TYPE: &str = "application/x-ndjson";

pub(super) struct AuditExport(Pages);

struct Pages {
    store: Store,
    scope: Option<OrgScope>,
    filter: AuditFilter,
    /// Behind which entry the next page begins; entries of one export never repeat.
    after: Option<AuditEntryId>,
    ended: bool,
}

impl AuditExport {
    pub(super) fn new(store: Store, scope: Option<OrgScope>, filter: AuditFilter) -> Self {
        Self(Pages {
            store,
            scope,
            filter,
            after: None,
            ended: false,
        })
    }
}

impl Pages {
    /// The next lines; `None` at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        if self.ended {
            return Ok(None);
        }
        let db = self.store.read();
        let rows = audit::after(&db, self.scope.as_ref(), &self.filter, self.after, PAGE).await?;
        self.ended = (rows.len() as u64) < PAGE;
        self.after = rows.last().map(|entry| entry.id);
        let text: String = rows
            .iter()
            .flat_map(|entry| [entry.to_json_string(), "\n".to_owned()])
            .collect();
        Ok((!text.is_empty()).then(|| text.into()))
    }
}

impl IntoResponse for AuditExport {
    fn into_response(self) -> Response {
        let pieces = stream::unfold(Some(self.0), async |pages| {
            let mut pages = pages?;
            match pages.next().await {
                Ok(Some(lines)) => Some((Ok(lines), Some(pages))),
                Ok(None) => None,
                Err(error) => {
                    tracing::error!(%error, "an export of the audit log broke off");
                    Some((Err(io::Error::other("the export broke off")), None))
                }
            }
        });
        Response::builder()
            .content_type(CONTENT_TYPE)
            .header(http::header::CACHE_CONTROL, "no-store")
            .body(Body::from_bytes_stream(pieces))
    }
}

impl ApiResponse for AuditExport {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![MetaResponse {
                description: "One entry a line.",
                status: Some(200),
                status_range: None,
                content: vec![MetaMediaType {
                    content_type: CONTENT_TYPE,
                    schema: MetaSchemaRef::Inline(Box::new(MetaSchema::new("string"))),
                }],
                headers: vec![],
            }],
        }
    }

    fn register(_: &mut Registry) {}
}
