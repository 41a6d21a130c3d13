//! What is wrong with the settings.

use std::fmt;

/// One setting that can't be used: its key, where it was set, the value unless it is a secret, and what is
/// accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// `public_url`, or `egress_allow[1]` for the second of a list.
    pub key: String,
    /// `TENON_PUBLIC_URL`, the file's path, or `not set`.
    pub source: String,
    /// `None` for secrets and for settings that are not set.
    pub value: Option<String>,
    pub wrong: String,
    pub accepted: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = format!("{} ({})", self.key, self.source);
        write!(formatter, "{place:<38} ")?;
        if let Some(value) = &self.value {
            write!(formatter, "{value:?} ")?;
        }
        write!(formatter, "{}; {}", self.wrong, self.accepted)
    }
}

/// Every problem of one start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the configuration cannot be used:")?;
        self.problems
            .iter()
            .try_for_each(|problem| write!(formatter, "\n  {problem}"))
    }
}

impl std::error::Error for ConfigError {}

/// Why one value was refused, before it is known where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) wrong: String,
    pub(super) accepted: String,
}

impl Refused {
    pub(super) fn new(wrong: impl Into<String>, accepted: impl Into<String>) -> Self {
        Self {
            wrong: wrong.into(),
            accepted: accepted.into(),
        }
    }
}
