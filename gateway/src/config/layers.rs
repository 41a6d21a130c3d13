//! The file, and the environment above it.

use std::{io, path::Path};

use serde::Deserialize;

use super::{ConfigError, DEFAULT_FILE, Problem, problem::Refused};

/// The file as written. A value may be text, a boolean or a number; a list may also be text with commas, as
/// in the variables.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
struct RawConfig {
    settings: toml::Table,
}

pub(super) const KEYS: [&str; 12] = [
    "listen",
    "public_url",
    "database_url",
    "auto_migrate",
    "encryption_keys",
    "bootstrap_api_key",
    "egress_allow",
    "trusted_proxies",
    "rate_limits",
    "log",
    "log_format",
    "dns_servers",
];

type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

pub(super) struct Layers<'a> {
    file: RawConfig,
    file_name: String,
    env: Env<'a>,
    problems: Vec<Problem>,
}

/// A value, and where it was set.
struct Found {
    key: String,
    source: String,
    value: Result<String, Refused>,
}

impl<'a> Layers<'a> {
    pub(super) fn open(path: Option<&Path>, env: Env<'a>) -> Result<Self, ConfigError> {
        let file = path.unwrap_or(Path::new(DEFAULT_FILE));
        let file_name = file.display().to_string();
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            // Only the default file may be missing; one that was asked for must be there.
            Err(error) if path.is_none() && error.kind() == io::ErrorKind::NotFound => {
                String::new()
            }
            Err(error) => {
                return Err(file_problem(
                    file_name,
                    error.to_string(),
                    "name a readable TOML file",
                ));
            }
        };
        Self::parse(&text, file_name, env)
    }

    pub(super) fn parse(text: &str, file_name: String, env: Env<'a>) -> Result<Self, ConfigError> {
        let file: RawConfig = match toml::from_str(text) {
            Ok(file) => file,
            Err(error) => {
                let before = error.span().map_or("", |span| &text[..span.start]);
                let line = before.matches('\n').count() + 1;
                // `message` leaves out the offending line, which may hold a secret.
                let wrong = format!("line {line}: {}", error.message().trim());
                return Err(file_problem(
                    file_name,
                    wrong,
                    "write TOML as in tenon.example.toml",
                ));
            }
        };
        let mut layers = Self {
            file,
            file_name,
            env,
            problems: Vec::new(),
        };
        layers.refuse_unknown_keys();
        Ok(layers)
    }

    fn refuse_unknown_keys(&mut self) {
        let unknown = self
            .file
            .settings
            .keys()
            .filter(|key| !KEYS.contains(&key.as_str()));
        self.problems.extend(unknown.map(|key| Problem {
            key: key.clone(),
            source: self.file_name.clone(),
            value: None,
            wrong: "is not a setting".to_owned(),
            accepted: format!("known are {}", KEYS.join(", ")),
        }));
    }

    pub(super) fn one<T>(
        &mut self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, Refused>,
    ) -> Option<T> {
        self.one_shown(key, |value| Some(value.to_owned()), parse)
    }

    /// Like [`Layers::one`], for a value that must not be printed as it is: `shown` makes what may be seen.
    pub(super) fn one_shown<T>(
        &mut self,
        key: &str,
        shown: impl Fn(&str) -> Option<String>,
        parse: impl Fn(&str) -> Result<T, Refused>,
    ) -> Option<T> {
        let found = self.find(key)?;
        self.check(found, &shown, &parse)
    }

    pub(super) fn list<T>(
        &mut self,
        key: &str,
        parse: impl Fn(&str) -> Result<T, Refused>,
    ) -> Vec<T> {
        self.list_shown(key, |value| Some(value.to_owned()), parse)
    }

    /// Like [`Layers::list`], for values that must not be printed as they are.
    pub(super) fn list_shown<T>(
        &mut self,
        key: &str,
        shown: impl Fn(&str) -> Option<String>,
        parse: impl Fn(&str) -> Result<T, Refused>,
    ) -> Vec<T> {
        let found = self.find_list(key);
        found
            .into_iter()
            .filter_map(|one| self.check(one, &shown, &parse))
            .collect()
    }

    /// A problem of a setting as a whole.
    pub(super) fn report(&mut self, key: &str, wrong: impl Into<String>, accepted: &str) {
        let source = if self.variable(key).is_some() {
            variable_name(key)
        } else if self.file.settings.contains_key(key) {
            self.file_name.clone()
        } else {
            "not set".to_owned()
        };
        self.problems.push(Problem {
            key: key.to_owned(),
            source,
            value: None,
            wrong: wrong.into(),
            accepted: accepted.to_owned(),
        });
    }

    pub(super) fn finish(self) -> Result<(), ConfigError> {
        if self.problems.is_empty() {
            Ok(())
        } else {
            Err(ConfigError {
                problems: self.problems,
            })
        }
    }

    fn check<T>(
        &mut self,
        found: Found,
        shown: &impl Fn(&str) -> Option<String>,
        parse: &impl Fn(&str) -> Result<T, Refused>,
    ) -> Option<T> {
        let Found { key, source, value } = found;
        let (value, refused) = match value {
            Ok(value) => match parse(value.trim()) {
                Ok(parsed) => return Some(parsed),
                Err(refused) => (Some(value), refused),
            },
            Err(refused) => (None, refused),
        };
        let Refused { wrong, accepted } = refused;
        let value = value.and_then(|value| shown(&value));
        self.problems.push(Problem {
            key,
            source,
            value,
            wrong,
            accepted,
        });
        None
    }

    fn find(&self, key: &str) -> Option<Found> {
        if let Some(value) = self.variable(key) {
            return Some(Found {
                key: key.to_owned(),
                source: variable_name(key),
                value: Ok(value),
            });
        }
        let value = scalar(self.file.settings.get(key)?);
        Some(Found {
            key: key.to_owned(),
            source: self.file_name.clone(),
            value,
        })
    }

    fn find_list(&self, key: &str) -> Vec<Found> {
        let (source, values) = match (self.variable(key), self.file.settings.get(key)) {
            (Some(value), _) => (variable_name(key), split(&value)),
            (None, Some(toml::Value::Array(items))) => {
                (self.file_name.clone(), items.iter().map(scalar).collect())
            }
            (None, Some(toml::Value::String(text))) => (self.file_name.clone(), split(text)),
            (None, Some(other)) => (self.file_name.clone(), vec![scalar(other)]),
            (None, None) => return Vec::new(),
        };
        values
            .into_iter()
            .enumerate()
            .map(|(index, value)| Found {
                key: format!("{key}[{index}]"),
                source: source.clone(),
                value,
            })
            .collect()
    }

    /// An empty variable counts as not set: that is how compose files and unit files leave one out.
    fn variable(&self, key: &str) -> Option<String> {
        (self.env)(&variable_name(key)).filter(|value| !value.trim().is_empty())
    }
}

fn file_problem(file_name: String, wrong: String, accepted: &str) -> ConfigError {
    let key = "configuration file".to_owned();
    let accepted = accepted.to_owned();
    ConfigError {
        problems: vec![Problem {
            key,
            source: file_name,
            value: None,
            wrong,
            accepted,
        }],
    }
}

fn variable_name(key: &str) -> String {
    format!("TENON_{}", key.to_ascii_uppercase())
}

fn split(list: &str) -> Vec<Result<String, Refused>> {
    let parts = list
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    parts.map(|part| Ok(part.to_owned())).collect()
}

fn scalar(value: &toml::Value) -> Result<String, Refused> {
    match value {
        toml::Value::String(text) => Ok(text.clone()),
        toml::Value::Boolean(on) => Ok(on.to_string()),
        toml::Value::Integer(number) => Ok(number.to_string()),
        other => Err(Refused::new(
            format!("is of type {}", other.type_str()),
            "write it in quotes",
        )),
    }
}
