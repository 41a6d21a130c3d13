//! Filters (RFC 7644 section 3.4.2.2): a tree whose names are resolved against the schemas, so that who
//! evaluates it, here or in SQL, meets no unknown attribute and no value of the wrong type.

mod evaluate;
mod parse;

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::error::ScimError;
use crate::quirk::Quirks;
use crate::resource::{AttributePath, ResourceType};

pub use evaluate::matches_element;
pub(crate) use parse::Parser;

/// A filter. `And` and `Or` have at least two branches.
///
/// Some forms are written in terms of others: `x eq null` is `not (x pr)`, `emails eq "a"` is
/// `emails.value eq "a"`, and Entra ID's `emails[type eq "work"].value eq "a"` is
/// `emails[type eq "work" and value eq "a"]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Not(Box<Filter>),
    Compare {
        path: AttributePath,
        operator: CompareOperator,
        value: Literal,
    },
    /// `pr`: the attribute has a value.
    Present(AttributePath),
    /// `emails[type eq "work" and value co "@"]`: one element satisfies the whole filter, whose paths all
    /// lie below the attribute.
    Element {
        path: AttributePath,
        filter: Box<Filter>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompareOperator {
    Equal,
    /// Some value differs, or there is none.
    NotEqual,
    Contains,
    StartsWith,
    EndsWith,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// The value compared with, of its attribute's type. Text is as it was written: fold it with
/// [`crate::fold`] where the attribute is not `case_exact`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    Text(String),
    Boolean(bool),
    /// Compared as an instant, whatever its offset and fraction.
    Instant(DateTime<Utc>),
}

/// The longest filter or path, in bytes.
pub const MAX_LENGTH: usize = 8_192;
/// The deepest nesting of parentheses and brackets.
pub const MAX_DEPTH: usize = 24;
/// The most comparisons in one filter.
pub const MAX_COMPARISONS: usize = 100;
/// The most comparisons in the filter of a list that no index can serve.
pub const MAX_SLOW_COMPARISONS: usize = 10;

impl Filter {
    /// Reads a filter on resources of one type.
    ///
    /// Errors: `invalidFilter` for bad grammar, an unknown attribute (never everyone) or a value of the
    /// wrong type; `tooMany` beyond [`MAX_COMPARISONS`].
    pub fn parse(
        resource_type: ResourceType,
        text: &str,
        quirks: &Quirks,
    ) -> Result<Self, ScimError> {
        let mut parser = Parser::new(resource_type, text, quirks)?;
        let filter = parser.filter()?;
        parser.expect_end()?;
        Ok(filter)
    }

    /// How many of its parts have to look at every resource: what is contained, ends so, differs, is there at
    /// all, or what a `not` turns round.
    pub(crate) fn slow_comparisons(&self) -> usize {
        use CompareOperator::{Contains, EndsWith, NotEqual};
        match self {
            Self::And(all) | Self::Or(all) => all.iter().map(Self::slow_comparisons).sum(),
            Self::Not(inner) => 1 + inner.slow_comparisons(),
            Self::Compare { operator, .. } => {
                usize::from(matches!(operator, Contains | EndsWith | NotEqual))
            }
            Self::Present(_) => 1,
            Self::Element { filter, .. } => filter.slow_comparisons(),
        }
    }

    /// Calls `each` with every path, those inside of brackets included.
    pub fn for_each_path(&self, each: &mut impl FnMut(&AttributePath)) {
        match self {
            Self::And(all) | Self::Or(all) => all.iter().for_each(|f| f.for_each_path(each)),
            Self::Not(inner) => inner.for_each_path(each),
            Self::Compare { path, .. } | Self::Present(path) => each(path),
            Self::Element { path, filter } => {
                each(path);
                filter.for_each_path(each);
            }
        }
    }

    /// The `attribute eq value` parts of a filter that consists only of these, joined by `and`: what an
    /// element must have to match. None for any other filter.
    pub(crate) fn equalities(&self) -> Option<Vec<(&AttributePath, &Literal)>> {
        match self {
            Self::Compare {
                path,
                operator: CompareOperator::Equal,
                value,
            } => Some(vec![(path, value)]),
            Self::And(all) => {
                let parts: Option<Vec<_>> = all.iter().map(Self::equalities).collect();
                Some(parts?.into_iter().flatten().collect())
            }
            _ => None,
        }
    }
}

impl CompareOperator {
    pub const ALL: [Self; 9] = [
        Self::Equal,
        Self::NotEqual,
        Self::Contains,
        Self::StartsWith,
        Self::EndsWith,
        Self::Greater,
        Self::GreaterOrEqual,
        Self::Less,
        Self::LessOrEqual,
    ];

    /// `eq`, `ne` and so on (RFC 7644 table 3).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "eq",
            Self::NotEqual => "ne",
            Self::Contains => "co",
            Self::StartsWith => "sw",
            Self::EndsWith => "ew",
            Self::Greater => "gt",
            Self::GreaterOrEqual => "ge",
            Self::Less => "lt",
            Self::LessOrEqual => "le",
        }
    }
}

/// Prints a filter that parses to the same tree, unless it has become too long or too deep by printing: short
/// forms are written out, and every branch that has branches gets parentheses.
impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, false)
    }
}

impl Filter {
    /// Inside of brackets a path is written without its attribute.
    fn write(&self, f: &mut fmt::Formatter<'_>, inside: bool) -> fmt::Result {
        let path_text = |path: &AttributePath| match path.sub {
            Some(sub) if inside => sub.name.to_owned(),
            _ => path.to_string(),
        };
        match self {
            Self::And(all) => write_joined(f, all, " and ", inside),
            Self::Or(all) => write_joined(f, all, " or ", inside),
            Self::Not(inner) => {
                f.write_str("not (")?;
                inner.write(f, inside)?;
                f.write_str(")")
            }
            Self::Compare {
                path,
                operator,
                value,
            } => {
                write!(f, "{} {} {value}", path_text(path), operator.as_str())
            }
            Self::Present(path) => write!(f, "{} pr", path_text(path)),
            Self::Element { path, filter } => {
                write!(f, "{path}[")?;
                filter.write(f, true)?;
                f.write_str("]")
            }
        }
    }
}

fn write_joined(
    f: &mut fmt::Formatter<'_>,
    branches: &[Filter],
    word: &str,
    inside: bool,
) -> fmt::Result {
    for (index, branch) in branches.iter().enumerate() {
        if index > 0 {
            f.write_str(word)?;
        }
        if matches!(branch, Filter::And(_) | Filter::Or(_)) {
            f.write_str("(")?;
            branch.write(f, inside)?;
            f.write_str(")")?;
        } else {
            branch.write(f, inside)?;
        }
    }
    Ok(())
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{}", serde_json::Value::from(text.as_str())),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Instant(at) => {
                write!(f, "\"{}\"", at.to_rfc3339_opts(SecondsFormat::AutoSi, true))
            }
        }
    }
}

#[cfg(test)]
mod tests;
