//! SCIM 2.0 (RFC 7643, RFC 7644) without a server: resources, schemas, filters, PATCH, queries, errors and
//! discovery documents. Lenient in what directories send, strict in what goes out. It does no I/O, reads no
//! clock and knows no tenant; the `gateway` crate gives it rows and URLs.

mod bulk;
mod comparable;
pub mod discovery;
mod error;
mod etag;
pub mod filter;
mod group;
mod list;
mod normalize;
mod patch;
mod path;
mod projection;
pub mod provider;
mod quirk;
mod resource;
pub mod schema;
mod user;

pub use bulk::{BulkOperation, BulkRequest, BulkResult, Resolved, Step, bulk_response};
pub use comparable::ComparableValue;
pub use error::{ERROR_URN, ErrorResponse, ScimError, ScimType};
pub use etag::EntityTags;
pub use filter::{CompareOperator, Filter, Literal};
pub use group::{Group, MemberLink};
pub use list::{
    DEFAULT_PAGE_SIZE, LIST_RESPONSE_URN, ListQuery, ListResponse, MAX_PAGE_SIZE, Sort, SortOrder,
};
pub use patch::{
    GroupPatch, Member, MemberOperation, PatchRequest, max_operations, member_candidates,
};
pub use path::Path;
pub use projection::Projection;
pub use quirk::{Quirk, Quirks};
pub use resource::{AttributePath, Meta, ResourceType, fold, timestamp};
pub use user::{Email, GroupLink, ManagerLink, User, UserLinks};
