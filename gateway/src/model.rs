//! Plain structs and state enums, one file per aggregate. What a struct here looks like in JSON is what
//! the management API answers and what events carry: there is one shape, CONTRACT's.

mod api_key;
mod application;
mod audit;
mod connection;
mod connection_view;
mod directory;
mod directory_request;
mod domain;
mod event;
mod group;
mod login;
mod organization;
mod page;
mod role;
mod session;
mod signing_key;
mod timestamp;
mod user;
mod webhook;

pub use api_key::{ApiKey, ApiScope};
pub use application::{Application, ApplicationType, ClientAuthMethod, DiscoveryMode};
pub use audit::{Act, AuditActor, AuditEntry};
pub use connection::{
    Connection, ConnectionKeyState, ConnectionState, ConnectionType, EmailDomainPolicy, Upkeep,
};
pub use connection_view::{
    AttributeMapping, ConnectionKey, ConnectionView, HeldMetadata, IdpInitiated, OidcEndpoints,
    SsoBinding, TokenEndpointAuthMethod, Transform,
};
pub use directory::{
    BrakeAnswer, BrakeWindow, ChangeBrake, Directory, DirectoryState, DirectoryToken, HeldChange,
    WaitingChange,
};
pub use directory_request::{DirectoryRequest, RecordedEvents, RequestEvent, RequestOutcome};
pub use domain::{
    Domain, DomainCheck, DomainCheckResult, DomainState, TxtRecord, canonical_domain,
};
pub(crate) use event::sample_event;
pub use event::{Actor, ActorKind, Cause, CertificateNotice, EventType, IdentityEvent, Member};
pub use group::Group;
pub use login::{Login, LoginOutcome, LoginState};
pub use organization::{Organization, OrganizationDomain, RolePolicy};
pub use page::{Slice, Window};
pub use role::{Role, RoleMapping, RoleSource, UserRole};
pub use session::{Session, SessionClaims, SessionState};
pub use signing_key::{SigningAlgorithm, SigningKeyState};
pub use timestamp::Timestamp;
pub use user::{Email, GroupRef, Profile, User, UserChange, UserSource};
pub use webhook::{
    Delivery, DeliveryOutcome, DeliveryStatus, Ordering, WebhookEndpoint, WebhookEndpointState,
};
