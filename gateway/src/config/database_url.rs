//! Which database, and where.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use super::problem::Refused;
use crate::secrets::Secret;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    Sqlite,
    Postgres,
}

/// `sqlite://…` or `postgres://…`. May hold a password: prints without it.
#[derive(Clone)]
pub struct DatabaseUrl {
    kind: Database,
    url: Secret<String>,
}

impl DatabaseUrl {
    /// # Errors
    /// When the scheme is unknown, or a PostgreSQL URL has no host.
    pub(super) fn parse(value: &str) -> Result<Self, Refused> {
        let accepted = "write sqlite://tenon.db, sqlite:///var/lib/tenon/tenon.db or \
                        postgres://user:password@host/database";
        let scheme = value.split_once(':').map_or("", |(scheme, _)| scheme);
        let kind = match scheme {
            "sqlite" => Database::Sqlite,
            "postgres" | "postgresql" => match url::Url::parse(value) {
                Ok(_) => Database::Postgres,
                Err(error) => {
                    return Err(Refused::new(format!("is not a URL ({error})"), accepted));
                }
            },
            _ => {
                return Err(Refused::new(
                    "is neither sqlite:// nor postgres://",
                    accepted,
                ));
            }
        };
        let url = Self {
            kind,
            url: Secret::new(value.to_owned()),
        };
        if kind == Database::Sqlite && !url.is_in_memory() && url.path_text().is_empty() {
            return Err(Refused::new("names no file", accepted));
        }
        Ok(url)
    }

    pub fn kind(&self) -> Database {
        self.kind
    }

    /// The whole URL, password included: for the database driver only.
    pub fn expose(&self) -> &str {
        self.url.expose()
    }

    /// The SQLite file; `None` for PostgreSQL and for a database in memory.
    pub fn sqlite_file(&self) -> Option<PathBuf> {
        (self.kind == Database::Sqlite && !self.is_in_memory()).then(|| {
            Path::new(&*percent_encoding::percent_decode_str(self.path_text()).decode_utf8_lossy())
                .to_owned()
        })
    }

    fn is_in_memory(&self) -> bool {
        let url = self.url.expose();
        self.path_text() == ":memory:" || url.contains("mode=memory")
    }

    /// What stands between the scheme and the query.
    fn path_text(&self) -> &str {
        let rest = self
            .url
            .expose()
            .split_once(':')
            .map_or("", |(_, rest)| rest);
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        rest.split('?').next().unwrap_or_default()
    }
}

/// `value` for an error message: without password and query; nothing when it can't be taken apart.
pub(super) fn shown(value: &str) -> Option<String> {
    let mut url = url::Url::parse(value).ok()?;
    if url.password().is_some() {
        url.set_password(Some("•••")).ok()?;
    }
    url.set_query(None);
    percent_encoding::percent_decode_str(url.as_str())
        .decode_utf8()
        .ok()
        .map(Into::into)
}

impl Default for DatabaseUrl {
    fn default() -> Self {
        Self {
            kind: Database::Sqlite,
            url: Secret::new("sqlite://tenon.db".to_owned()),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind, self.sqlite_file()) {
            (Database::Sqlite, Some(file)) => write!(formatter, "sqlite {}", file.display()),
            (Database::Sqlite, None) => formatter.write_str("sqlite in memory"),
            (Database::Postgres, _) => {
                let url = url::Url::parse(self.url.expose()).ok();
                let host = url
                    .as_ref()
                    .and_then(url::Url::host_str)
                    .unwrap_or("(default host)");
                let name = url.as_ref().map_or("", url::Url::path);
                write!(formatter, "postgres {host}{name}")
            }
        }
    }
}
