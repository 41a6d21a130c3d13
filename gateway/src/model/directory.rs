//! Directories: one SCIM source of an organization.

use poem_openapi::{Enum, Object};
use sea_orm::{DeriveActiveEnum, EnumIter};
use serde::{Deserialize, Serialize};

use super::Timestamp;
use crate::ids::{DirectoryId, DirectoryTokenId, DirectoryUserId, OrganizationId, UserId};

/// Where a directory stands (PORTAL section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, EnumIter, DeriveActiveEnum)]
#[oai(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum DirectoryState {
    /// No request has come yet.
    Waiting,
    Syncing,
    /// Nothing came for longer than this product's usual pause, or a week where it sends changes only. What is
    /// stored stays `syncing`: this is told when somebody looks.
    Silent,
}

/// What a held directory is told when it deactivates or deletes somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Enum, Serialize, Deserialize)]
#[oai(rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum BrakeAnswer {
    /// 429 with `Retry-After`: it is the directory that has to come again.
    #[default]
    Refuse,
    /// Success: the change is remembered, and done at the release.
    Accept,
}

/// When a directory that takes many people away is held.
#[derive(Debug, Clone, PartialEq, Eq, Object, Serialize, Deserialize)]
pub struct ChangeBrake {
    /// The most that may be deactivated or deleted within an hour, in percent of the people who were active at its
    /// beginning.
    #[oai(validator(minimum(value = "1"), maximum(value = "100")))]
    pub share: i64,
    /// Fewer people than this within an hour never hold the directory.
    #[oai(
        default = "least",
        validator(minimum(value = "1"), maximum(value = "1000000"))
    )]
    pub minimum: i64,
    #[oai(default)]
    pub answer: BrakeAnswer,
}

fn least() -> i64 {
    10
}

/// What a held directory was promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum, EnumIter, DeriveActiveEnum)]
#[oai(rename_all = "snake_case")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum HeldChange {
    Deactivation,
    Deletion,
}

/// What waits for the release of a directory, for one person.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub struct WaitingChange {
    /// As the directory knows the person.
    pub directory_user_id: DirectoryUserId,
    pub user_id: UserId,
    /// The directory's own.
    pub user_name: String,
    pub change: HeldChange,
}

/// Whom a directory took away within the last hour, to the minute. At most 61 counts, whatever the directory does.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BrakeWindow {
    /// How many were active at the beginning of the hour, as it was counted.
    active: i64,
    /// In minutes since 1970; zero when nothing was counted.
    counted: i64,
    /// Minute and count, oldest first.
    removals: Vec<(i64, i64)>,
}

impl BrakeWindow {
    const MINUTES: i64 = 60;

    fn minute(now: Timestamp) -> i64 {
        now.0.timestamp().div_euclid(60)
    }

    /// Forgets what is older than an hour.
    pub fn slide_to(&mut self, now: Timestamp) {
        let first = Self::minute(now) - Self::MINUTES;
        self.removals.retain(|(minute, _)| *minute >= first);
        if self.counted < first {
            self.counted = 0;
        }
    }

    pub fn is_counted(&self) -> bool {
        self.counted != 0
    }

    /// Takes down how many are active now: with those who went meanwhile, they are the active ones of the beginning.
    pub fn count(&mut self, active: i64, now: Timestamp) {
        self.active = active + self.removed();
        self.counted = Self::minute(now);
    }

    pub fn active(&self) -> i64 {
        self.active
    }

    pub fn removed(&self) -> i64 {
        self.removals.iter().map(|(_, count)| count).sum()
    }

    /// Whether one more would be too many.
    pub fn is_full(&self, brake: &ChangeBrake) -> bool {
        let removed = self.removed() + 1;
        removed >= brake.minimum && removed * 100 > brake.share * self.active
    }

    pub fn add(&mut self, now: Timestamp) {
        let now = Self::minute(now);
        match self.removals.last_mut() {
            // A clock that was set back does not lose anybody.
            Some((minute, count)) if *minute >= now => *count += 1,
            _ => self.removals.push((now, 1)),
        }
    }
}

/// One SCIM source of an organization.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub struct Directory {
    pub id: DirectoryId,
    pub organization_id: OrganizationId,
    pub name: String,
    pub provider: Option<String>,
    /// The role that every active user of this directory has.
    pub default_role: Option<String>,
    pub state: DirectoryState,
    /// Off when null.
    pub change_brake: Option<ChangeBrake>,
    /// Whom this directory neither deactivates nor deletes.
    pub protected_user_ids: Vec<UserId>,
    /// Since when deactivations and deletions wait for `POST /directories/{id}/release`.
    pub held_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// One bearer token of a directory; the token itself is kept as a hash.
#[derive(Debug, Clone, PartialEq, Eq, Object)]
pub struct DirectoryToken {
    pub id: DirectoryTokenId,
    pub last_four: String,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
    pub expires_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(time: &str) -> Timestamp {
        Timestamp(format!("2026-12-01T{time}Z").parse().unwrap())
    }

    #[test]
    fn a_window_holds_an_hour_and_is_full_above_share_and_minimum() {
        let brake = |share, minimum| ChangeBrake {
            share,
            minimum,
            answer: BrakeAnswer::Refuse,
        };
        let mut window = BrakeWindow::default();
        window.slide_to(at("09:00:00"));
        assert!(!window.is_counted());
        window.count(20, at("09:00:00"));
        window.add(at("09:00:30"));
        window.add(at("09:00:59"));
        window.add(at("09:30:00"));
        assert_eq!((window.removed(), window.active()), (3, 20));
        // The fourth of twenty is a fifth of them.
        assert!(!window.is_full(&brake(20, 1)));
        assert!(window.is_full(&brake(19, 4)));
        assert!(!window.is_full(&brake(1, 5)));

        window.slide_to(at("10:00:59"));
        assert_eq!(window.removed(), 3);
        window.slide_to(at("10:01:00"));
        assert_eq!(window.removed(), 1);
        assert!(!window.is_counted());
        window.count(17, at("10:01:00"));
        assert_eq!(window.active(), 18);
        for minute in 0..200 {
            let now = Timestamp(at("10:02:00").0 + chrono::TimeDelta::minutes(minute));
            window.slide_to(now);
            window.add(now);
        }
        assert_eq!(window.removals.len(), 61);
    }
}
