//! Lists: `limit` and `cursor` in, `{data, next_cursor}` out, newest first.

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use poem_openapi::Object;
use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{
    ParseError, ParseFromJSON, ParseFromParameter, ParseResult, ToJSON, Type,
};

use crate::model::{Slice, Window};

const DEFAULT_LIMIT: u64 = 50;
const MAX_LIMIT: u64 = 100;

/// One page of a list, newest first.
#[derive(Debug, Object)]
pub(super) struct Page<T: ParseFromJSON + ToJSON + Send + Sync> {
    pub(super) data: Vec<T>,
    /// What `cursor` has to be for the next page; null on the last one.
    pub(super) next_cursor: Option<String>,
}

impl<T: ParseFromJSON + ToJSON + Send + Sync> Page<T> {
    pub(super) fn of<Id: Display>(slice: Slice<T, Id>) -> Self {
        Self {
            data: slice.rows,
            next_cursor: slice.next.map(|id| URL_SAFE_NO_PAD.encode(id.to_string())),
        }
    }
}

/// The two parameters of a list as what the store takes.
pub(super) fn window<Id>(limit: Limit, cursor: Cursor<Id>) -> Window<Id> {
    Window {
        limit: limit.0,
        before: cursor.0,
    }
}

/// How many rows a page has: 1 to `MAX`, 50 by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limit<const MAX: u64 = MAX_LIMIT>(pub(super) u64);

impl<const MAX: u64> Type for Limit<MAX> {
    const IS_REQUIRED: bool = false;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "limit".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            minimum: Some(1.0),
            maximum: Some(MAX as f64),
            default: Some(DEFAULT_LIMIT.into()),
            ..MetaSchema::new("integer")
        }))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(self.as_raw_value().into_iter())
    }
}

impl<const MAX: u64> ParseFromParameter for Limit<MAX> {
    fn parse_from_parameter(value: &str) -> ParseResult<Self> {
        match value.parse() {
            Ok(limit) if (1..=MAX).contains(&limit) => Ok(Self(limit)),
            _ => {
                let wanted = format!("a number from 1 to {MAX} is wanted");
                Err(ParseError::custom(wanted))
            }
        }
    }

    fn parse_from_parameters<I: IntoIterator<Item = A>, A: AsRef<str>>(
        values: I,
    ) -> ParseResult<Self> {
        match values.into_iter().next() {
            Some(value) => Self::parse_from_parameter(value.as_ref()),
            None => Ok(Self(DEFAULT_LIMIT)),
        }
    }
}

/// Where a page starts: the `next_cursor` of the one before. Opaque to callers; inside, the id of that page's
/// last row, so that rows added or removed in between neither repeat nor hide another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor<Id>(Option<Id>);

impl<Id: Send + Sync> Type for Cursor<Id> {
    const IS_REQUIRED: bool = false;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        "cursor".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema::new("string")))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(self.as_raw_value().into_iter())
    }
}

impl<Id: FromStr + Send + Sync> ParseFromParameter for Cursor<Id> {
    fn parse_from_parameter(value: &str) -> ParseResult<Self> {
        URL_SAFE_NO_PAD
            .decode(value)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .and_then(|text| text.parse().ok())
            .map(|id| Self(Some(id)))
            .ok_or_else(|| ParseError::custom("not a cursor of this list"))
    }

    fn parse_from_parameters<I: IntoIterator<Item = A>, A: AsRef<str>>(
        values: I,
    ) -> ParseResult<Self> {
        match values.into_iter().next() {
            Some(value) => Self::parse_from_parameter(value.as_ref()),
            None => Ok(Self(None)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{SystemClock, SystemEntropy};
    use crate::ids::{DomainId, OrganizationId};

    #[test]
    fn a_cursor_reads_back_only_in_the_list_it_came_from() {
        let id = OrganizationId::generate(&SystemClock, &SystemEntropy);
        let slice = Slice {
            rows: vec!["a".to_owned()],
            next: Some(id),
        };
        let cursor = Page::of(slice).next_cursor.unwrap();
        let read = Cursor::<OrganizationId>::parse_from_parameter(&cursor).unwrap();
        assert_eq!(read.0, Some(id));
        assert!(Cursor::<DomainId>::parse_from_parameter(&cursor).is_err());
        assert!(Cursor::<OrganizationId>::parse_from_parameter("x").is_err());
    }

    #[test]
    fn a_limit_is_one_to_a_hundred() {
        for (text, limit) in [
            ("1", Some(1)),
            ("100", Some(100)),
            ("0", None),
            ("101", None),
        ] {
            let read = Limit::<100>::parse_from_parameter(text).ok();
            assert_eq!(read.map(|it| it.0), limit, "{text}");
        }
        let none: [&str; 0] = [];
        assert_eq!(Limit::<100>::parse_from_parameters(none).unwrap().0, 50);
    }
}
