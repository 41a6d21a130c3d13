//! Reading the feed: from a cursor on, never skipping silently (CONTRACT section 3, SECURITY-MODEL G36).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::app::App;
use crate::error::Error;
use crate::ids::{EventId, OrganizationId};
use crate::store::feed::{self, After, FeedEvent};
use crate::store::{OrgScope, Reads, StoreError};

/// `after` for a reader who wants nothing of the past.
const LATEST: &str = "latest";

/// A reader and its position: in the whole feed, or in one organization's sequence.
#[derive(Debug, Clone)]
pub struct FeedReader {
    /// `None` reads all organizations.
    scope: Option<OrgScope>,
    types: Vec<String>,
    epoch: String,
    /// The last event that was read, or passed over.
    at: i64,
}

/// A cursor's inside: an epoch, and a place in the feed or in an organization's sequence.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cursor {
    epoch: String,
    organization: Option<OrganizationId>,
    at: i64,
}

impl FeedReader {
    /// A reader behind `after`: a cursor, an event's id, with a scope a sequence, or `latest`; from the oldest
    /// event on without one.
    ///
    /// # Errors
    /// `invalid_request` when `after` is none of them; 410 as [`FeedReader::next`].
    pub async fn open(
        app: &App,
        scope: Option<OrgScope>,
        types: Vec<String>,
        after: Option<&str>,
    ) -> Result<Self, Error> {
        // A reader sees what was committed before it asked.
        feed::sequence(&app.store).await?;
        let db = app.store.read();
        let end = end(&db, scope.as_ref()).await?;
        let at = match after {
            None => oldest(&db, scope.as_ref()).await?.unwrap_or(end + 1) - 1,
            Some(LATEST) => end,
            Some(after) => place(&db, scope.as_ref(), after).await?,
        };
        // What nobody has seen yet was in a feed that is gone.
        if at > end {
            return Err(epoch_changed());
        }
        Ok(Self {
            scope,
            types,
            epoch: feed::state(&db).await?.epoch,
            at,
        })
    }

    /// The next events, at most `limit`; none when there are none yet. The reader moves behind them, and
    /// behind those that its types leave out.
    ///
    /// # Errors
    /// 410 `cursor_expired` when events in between are past their retention, `epoch_changed` when the feed was
    /// restored from a backup.
    pub async fn next(&mut self, app: &App, limit: u64) -> Result<Vec<FeedEvent>, Error> {
        feed::sequence(&app.store).await?;
        let db = app.store.read();
        if feed::state(&db).await?.epoch != self.epoch {
            return Err(epoch_changed());
        }
        let scope = self.scope.as_ref();
        let end = end(&db, scope).await?;
        if self.at == end {
            return Ok(Vec::new());
        }
        let after = match scope {
            Some(_) => After::Sequence(self.at),
            None => After::Position(self.at),
        };
        let events = feed::read(&db, scope, after, &self.types, limit).await?;
        // Asked afterwards: what was removed while we read is noticed.
        if self.at + 1 < oldest(&db, scope).await?.unwrap_or(end + 1) {
            return Err(cursor_expired());
        }
        let last = events.last().map(|event| self.place_of(event));
        self.at = match last {
            Some(last) if events.len() as u64 >= limit => last,
            // More may have come than `end` knows of.
            _ => last.unwrap_or(end).max(end),
        };
        Ok(events)
    }

    /// The next `after`.
    pub fn cursor(&self) -> String {
        self.cursor_at(self.at)
    }

    /// The `after` behind one event.
    pub fn cursor_of(&self, event: &FeedEvent) -> String {
        self.cursor_at(self.place_of(event))
    }

    fn place_of(&self, event: &FeedEvent) -> i64 {
        match self.scope {
            Some(_) => event.sequence,
            None => event.position,
        }
    }

    fn cursor_at(&self, at: i64) -> String {
        let cursor = Cursor {
            epoch: self.epoch.clone(),
            organization: self.scope.as_ref().map(OrgScope::organization),
            at,
        };
        cursor.render()
    }
}

impl Cursor {
    /// base64url of `epoch:organization:place`. The first character of an epoch makes the first of this a
    /// letter: no cursor looks like a sequence.
    fn render(&self) -> String {
        let organization = self.organization.map(|it| it.to_string());
        let organization = organization.unwrap_or_default();
        URL_SAFE_NO_PAD.encode(format!("{}:{organization}:{}", self.epoch, self.at))
    }

    fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        let mut parts = text.split(':');
        let (epoch, organization, at) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self {
            epoch: epoch.to_owned(),
            organization: match organization {
                "" => None,
                id => Some(id.parse().ok()?),
            },
            at: at.parse().ok().filter(|_| parts.next().is_none())?,
        })
    }
}

/// The last numbered event.
async fn end(db: &impl Reads, scope: Option<&OrgScope>) -> Result<i64, StoreError> {
    match scope {
        Some(scope) => feed::last_numbered_sequence(db, scope).await,
        None => Ok(feed::state(db).await?.last_position),
    }
}

/// The first event that is still kept.
async fn oldest(db: &impl Reads, scope: Option<&OrgScope>) -> Result<Option<i64>, StoreError> {
    match scope {
        Some(scope) => feed::oldest_sequence(db, scope).await,
        None => feed::oldest_position(db).await,
    }
}

/// The place that `after` names.
async fn place(db: &impl Reads, scope: Option<&OrgScope>, after: &str) -> Result<i64, Error> {
    if let Some(cursor) = Cursor::parse(after) {
        if cursor.epoch != feed::state(db).await?.epoch {
            return Err(epoch_changed());
        }
        return match (scope, cursor.organization) {
            (None, None) => Ok(cursor.at),
            (Some(scope), Some(organization)) if scope.organization() == organization => {
                Ok(cursor.at)
            }
            // From the whole feed into one organization's sequence.
            (Some(scope), None) => {
                let end = end(db, None).await?;
                if cursor.at > end {
                    return Err(epoch_changed());
                }
                if cursor.at + 1 < oldest(db, None).await?.unwrap_or(end + 1) {
                    return Err(cursor_expired());
                }
                Ok(feed::sequence_at(db, scope, cursor.at).await?)
            }
            (_, Some(_)) => Err(not_a_place()),
        };
    }
    if let Ok(id) = after.parse::<EventId>() {
        if let Some(event) = feed::find(db, scope, id).await? {
            return Ok(match scope {
                Some(_) => event.sequence,
                None => event.position,
            });
        }
        // An id older than all that is kept was an event's or nobody's: what followed it can't be whole.
        let oldest = feed::oldest_id(db).await?;
        return Err(match oldest.is_none_or(|oldest| id < oldest) {
            true => cursor_expired(),
            false => not_a_place(),
        });
    }
    match (scope, after.parse::<u32>()) {
        (Some(_), Ok(sequence)) => Ok(sequence.into()),
        _ => Err(not_a_place()),
    }
}

fn cursor_expired() -> Error {
    Error::CursorGone {
        code: "cursor_expired",
        detail:
            "events behind it are past their retention; take a snapshot and go on from its sequence"
                .to_owned(),
    }
}

fn epoch_changed() -> Error {
    Error::CursorGone {
        code: "epoch_changed",
        detail: "the feed was restored from a backup; take a snapshot and go on from its sequence"
            .to_owned(),
    }
}

fn not_a_place() -> Error {
    Error::invalid(
        "after",
        "a next_cursor of this list, an event's id, latest or, with organization_id, a sequence is wanted",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{SystemClock, SystemEntropy};

    #[test]
    fn a_cursor_reads_back_and_is_no_number() {
        let organization = OrganizationId::generate(&SystemClock, &SystemEntropy);
        for epoch in ["abcdefghijkl", "-_0123456789", "999999999999"] {
            for organization in [None, Some(organization)] {
                let cursor = Cursor {
                    epoch: epoch.to_owned(),
                    organization,
                    at: 42,
                };
                let text = cursor.render();
                assert!(text.starts_with(|first: char| first.is_ascii_alphabetic()));
                assert_eq!(Cursor::parse(&text), Some(cursor));
            }
        }
        assert_eq!(Cursor::parse("42"), None);
        assert_eq!(Cursor::parse("evt_01h455vb4pex5vsknk084sn02q"), None);
    }
}
