//! What a provider said last, for the gateway to keep where a restart does not take it.

use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};

use super::keys::KeySet;
use super::{OidcConnector, discovery};

/// A provider's metadata and keys, as they were read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Documents {
    pub metadata: Arc<str>,
    pub keys: Arc<str>,
    /// When the older one was read.
    pub fetched_at: DateTime<Utc>,
}

/// When what was handed out last was read: metadata, keys.
#[derive(Default)]
pub(super) struct HandedOut(Mutex<Option<(DateTime<Utc>, DateTime<Utc>)>>);

impl OidcConnector {
    /// The documents, if any was read since they were handed out last.
    pub fn new_documents(&self) -> Option<Documents> {
        let (metadata, metadata_at) = self.discovered.copy()?;
        let (keys, keys_at) = self.keys.copy()?;
        let read_at = Some((metadata_at, keys_at));
        let mut handed_out = self
            .handed_out
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if *handed_out == read_at {
            return None;
        }
        *handed_out = read_at;
        Some(Documents {
            metadata,
            keys,
            fetched_at: metadata_at.min(keys_at),
        })
    }

    /// Whether a document is missing here, so that kept ones would help.
    pub fn lacks_documents(&self) -> bool {
        self.discovered.copy().is_none() || self.keys.copy().is_none()
    }

    /// Takes kept documents in the place of what is missing here, since the provider does not give it now. They are
    /// checked as if they had come from there. False when that changes nothing.
    pub fn recall(&self, kept: &Documents, now: DateTime<Utc>) -> bool {
        let metadata = discovery::read(kept.metadata.as_bytes(), &self.settings, self.provider);
        let (Ok(metadata), Ok(keys)) = (metadata, KeySet::parse(kept.keys.as_bytes())) else {
            return false;
        };
        let at = kept.fetched_at;
        let document = Arc::clone(&kept.metadata);
        let metadata = self.discovered.recall(metadata, document, at, now);
        let keys = self.keys.recall(keys, Arc::clone(&kept.keys), at, now);
        metadata || keys
    }
}
