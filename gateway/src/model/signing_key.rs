//! Keys that sign our tokens.

use poem_openapi::Enum;
use sea_orm::{DeriveActiveEnum, EnumIter};
use serde::{Deserialize, Serialize};

/// JWS algorithms of our tokens (RFC 7518 3.1, RFC 8037).
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Default,
    Enum,
    EnumIter,
    DeriveActiveEnum,
    Serialize,
    Deserialize,
)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum SigningAlgorithm {
    #[default]
    #[oai(rename = "RS256")]
    #[serde(rename = "RS256")]
    #[sea_orm(string_value = "RS256")]
    Rs256,
    #[oai(rename = "ES256")]
    #[serde(rename = "ES256")]
    #[sea_orm(string_value = "ES256")]
    Es256,
    #[oai(rename = "EdDSA")]
    #[serde(rename = "EdDSA")]
    #[sea_orm(string_value = "EdDSA")]
    EdDsa,
}

impl SigningAlgorithm {
    pub const ALL: [Self; 3] = [Self::Rs256, Self::Es256, Self::EdDsa];

    /// The JWS name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// `next` is published before it signs, `retired` as long as its tokens live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum SigningKeyState {
    Next,
    Active,
    Retired,
}

impl SigningKeyState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Active => "active",
            Self::Retired => "retired",
        }
    }
}
