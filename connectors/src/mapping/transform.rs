//! What becomes of a field's values on their way from the IdP.

use regex::{Regex, RegexBuilder};

use crate::settings::{Transform, TransformKind};

/// Longest pattern, in bytes, and the most memory that one may take when compiled: a customer's administrator
/// types it.
const MAX_PATTERN: usize = 500;
const MAX_COMPILED: usize = 256 * 1024;

/// One transform, checked.
#[derive(Debug)]
pub(super) enum Step {
    LowerCase,
    First,
    Join(String),
    Split(String),
    Regex(Regex),
    Fixed(String),
}

impl Step {
    /// The error says what is wrong with it.
    pub(super) fn open(transform: &Transform) -> Result<Self, String> {
        let Transform {
            kind,
            separator,
            pattern,
            value,
        } = transform;
        let options = [
            ("separator", separator),
            ("pattern", pattern),
            ("value", value),
        ];
        let wanted = match kind {
            TransformKind::LowerCase | TransformKind::First => None,
            TransformKind::Join | TransformKind::Split => Some("separator"),
            TransformKind::Regex => Some("pattern"),
            TransformKind::Fixed => Some("value"),
        };
        for (name, given) in options {
            match (wanted == Some(name), given.as_deref()) {
                (true, None | Some("")) => return Err(format!("needs a {name}")),
                (false, Some(_)) => return Err(format!("takes no {name}")),
                _ => {}
            }
        }
        let text = |option: &Option<String>| option.clone().unwrap_or_default();
        Ok(match kind {
            TransformKind::LowerCase => Self::LowerCase,
            TransformKind::First => Self::First,
            TransformKind::Join => Self::Join(text(separator)),
            TransformKind::Split => Self::Split(text(separator)),
            TransformKind::Regex => Self::Regex(compile(&text(pattern))?),
            TransformKind::Fixed => Self::Fixed(text(value)),
        })
    }

    pub(super) fn apply(&self, mut values: Vec<String>) -> Vec<String> {
        match self {
            Self::LowerCase => values.iter().map(|value| value.to_lowercase()).collect(),
            Self::First => {
                values.truncate(1);
                values
            }
            Self::Join(_) if values.is_empty() => values,
            Self::Join(separator) => vec![values.join(separator)],
            Self::Split(separator) => values
                .iter()
                .flat_map(|value| value.split(separator))
                .map(str::to_owned)
                .collect(),
            Self::Regex(regex) => values
                .iter()
                .filter_map(|value| Some(regex.captures(value)?.get(1)?.as_str().to_owned()))
                .collect(),
            Self::Fixed(value) => vec![value.clone()],
        }
    }
}

fn compile(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > MAX_PATTERN {
        return Err(format!("the pattern is longer than {MAX_PATTERN} bytes"));
    }
    let regex = RegexBuilder::new(pattern)
        .size_limit(MAX_COMPILED)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "the pattern is too large".to_owned(),
            _ => "is not a regular expression".to_owned(),
        })?;
    match regex.captures_len() {
        2 => Ok(regex),
        _ => Err("the pattern needs exactly one capture group: (…)".to_owned()),
    }
}
