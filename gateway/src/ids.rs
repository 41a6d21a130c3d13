//! Ids: TypeIDs (prefix, `_`, 26 characters of base32 over a UUIDv7), each prefix a type of its own, so
//! that a directory can't be passed for a connection. Stored and logged as their text.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::clock::{Clock, Entropy};

/// The text is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id of the form {prefix}_…")]
pub struct IdError {
    pub prefix: &'static str,
}

/// A UUIDv7 (RFC 9562 5.7) from our own clock and entropy: rows sort by age.
fn uuid_v7(clock: &dyn Clock, entropy: &dyn Entropy) -> Uuid {
    let millis = u64::try_from(clock.now().timestamp_millis()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &entropy.bytes::<10>()).into_uuid()
}

macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident, $kind:ident, $prefix:literal) => {
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
        pub struct $kind;

        impl type_safe_id::StaticType for $kind {
            const TYPE: &'static str = $prefix;
        }

        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Uuid);

        impl $name {
            pub const PREFIX: &'static str = $prefix;

            /// The only mint.
            pub fn generate(clock: &dyn Clock, entropy: &dyn Entropy) -> Self {
                Self(uuid_v7(clock, entropy))
            }

            /// The smallest id of this millisecond: a bound for those made since then.
            pub fn earliest(at: DateTime<Utc>) -> Self {
                let millis = u64::try_from(at.timestamp_millis()).unwrap_or_default();
                Self(uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid())
            }

            /// The next one, for rows that have to keep the order in which one process made them: within a
            /// millisecond, ids have none (RFC 9562 6.2).
            pub fn successor(self) -> Self {
                Self(Uuid::from_u128(self.0.as_u128().wrapping_add(1)))
            }

            /// When the id was made, to the millisecond.
            pub fn minted_at(&self) -> DateTime<Utc> {
                let millis = self.0.as_u128() >> 80;
                DateTime::from_timestamp_millis(i64::try_from(millis).unwrap_or_default())
                    .unwrap_or_default()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                type_safe_id::TypeSafeId::<$kind>::from_uuid(self.0).fmt(f)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                text.parse::<type_safe_id::TypeSafeId<$kind>>()
                    .map(|id| Self(id.uuid()))
                    .map_err(|_| IdError { prefix: $prefix })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl From<$name> for sea_orm::Value {
            fn from(id: $name) -> Self {
                id.to_string().into()
            }
        }

        impl sea_orm::TryGetable for $name {
            fn try_get_by<I: sea_orm::ColIdx>(
                result: &sea_orm::QueryResult,
                index: I,
            ) -> Result<Self, sea_orm::TryGetError> {
                let text = String::try_get_by(result, index)?;
                text.parse().map_err(|error: IdError| {
                    sea_orm::TryGetError::DbErr(sea_orm::DbErr::Type(error.to_string()))
                })
            }
        }

        impl sea_orm::sea_query::ValueType for $name {
            fn try_from(value: sea_orm::Value) -> Result<Self, sea_orm::sea_query::ValueTypeErr> {
                <String as sea_orm::sea_query::ValueType>::try_from(value)?
                    .parse()
                    .map_err(|_| sea_orm::sea_query::ValueTypeErr)
            }

            fn type_name() -> String {
                stringify!($name).to_owned()
            }

            fn array_type() -> sea_orm::sea_query::ArrayType {
                sea_orm::sea_query::ArrayType::String
            }

            fn column_type() -> sea_orm::sea_query::ColumnType {
                sea_orm::sea_query::ColumnType::Text
            }
        }

        impl sea_orm::sea_query::Nullable for $name {
            fn null() -> sea_orm::Value {
                <String as sea_orm::sea_query::Nullable>::null()
            }
        }

        impl sea_orm::TryFromU64 for $name {
            fn try_from_u64(_: u64) -> Result<Self, sea_orm::DbErr> {
                Err(sea_orm::DbErr::ConvertFromU64(stringify!($name)))
            }
        }

        impl poem_openapi::types::Type for $name {
            const IS_REQUIRED: bool = true;
            type RawValueType = Self;
            type RawElementValueType = Self;

            fn name() -> std::borrow::Cow<'static, str> {
                concat!("string_", $prefix).into()
            }

            fn schema_ref() -> poem_openapi::registry::MetaSchemaRef {
                poem_openapi::registry::MetaSchemaRef::Inline(Box::new(
                    poem_openapi::registry::MetaSchema {
                        pattern: Some(concat!("^", $prefix, "_[0-7][0-9a-hjkmnp-tv-z]{25}$").to_owned()),
                        ..poem_openapi::registry::MetaSchema::new("string")
                    },
                ))
            }

            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }

            fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
                Box::new(self.as_raw_value().into_iter())
            }
        }

        impl poem_openapi::types::ParseFromJSON for $name {
            fn parse_from_json(
                value: Option<serde_json::Value>,
            ) -> poem_openapi::types::ParseResult<Self> {
                match value {
                    Some(serde_json::Value::String(text)) => {
                        text.parse().map_err(poem_openapi::types::ParseError::custom)
                    }
                    _ => Err(poem_openapi::types::ParseError::custom(IdError { prefix: $prefix })),
                }
            }
        }

        impl poem_openapi::types::ParseFromParameter for $name {
            fn parse_from_parameter(value: &str) -> poem_openapi::types::ParseResult<Self> {
                value.parse().map_err(poem_openapi::types::ParseError::custom)
            }
        }

        impl poem_openapi::types::ToJSON for $name {
            fn to_json(&self) -> Option<serde_json::Value> {
                Some(serde_json::Value::String(self.to_string()))
            }
        }
    };
}

typed_id!(
    /// A customer of the application, the root boundary.
    OrganizationId, OrganizationKind, "org"
);
typed_id!(DomainId, DomainKind, "dom");
typed_id!(ConnectionId, ConnectionKind, "conn");
typed_id!(DirectoryId, DirectoryKind, "dir");
typed_id!(
    /// One bearer token of a directory; two may live side by side.
    DirectoryTokenId, DirectoryTokenKind, "dtok"
);
typed_id!(
    /// One request in the provisioning log of a directory.
    DirectoryRequestId, DirectoryRequestKind, "dreq"
);
typed_id!(UserId, UserKind, "usr");
typed_id!(
    /// A SCIM User as one directory pushed it: the `id` that directory sees.
    DirectoryUserId, DirectoryUserKind, "dusr"
);
typed_id!(
    /// A SCIM Group as one directory pushed it: the `id` that directory sees.
    GroupId, GroupKind, "grp"
);
typed_id!(ApplicationId, ApplicationKind, "app");
typed_id!(SessionId, SessionKind, "ses");
typed_id!(LoginId, LoginKind, "lgn");
typed_id!(WebhookEndpointId, WebhookEndpointKind, "whe");
typed_id!(DeliveryId, DeliveryKind, "dlv");
typed_id!(EventId, EventKind, "evt");
typed_id!(ApiKeyId, ApiKeyKind, "key");
typed_id!(AuditEntryId, AuditEntryKind, "aud");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{SystemClock, SystemEntropy};

    #[test]
    fn an_id_reads_back_from_its_text_and_knows_its_age() {
        let before = SystemClock.now();
        let id = ConnectionId::generate(&SystemClock, &SystemEntropy);
        let text = id.to_string();
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(text.len(), "conn_".len() + 26);
        assert!((id.minted_at() - before).num_seconds() < 2);
        assert!(id.successor() > id && id.successor().to_string() > text);
        assert_eq!(id.successor().minted_at(), id.minted_at());
    }

    #[test]
    fn an_id_of_another_kind_is_refused() {
        let id = ConnectionId::generate(&SystemClock, &SystemEntropy).to_string();
        assert!(id.parse::<DirectoryId>().is_err());
        assert!("conn_x".parse::<ConnectionId>().is_err());
        assert!(id.to_uppercase().parse::<ConnectionId>().is_err());
    }
}
