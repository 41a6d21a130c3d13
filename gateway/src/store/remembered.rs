//! What callers present, kept in memory: applications, API keys and directories' tokens as they were last read,
//! so that a request costs no query to learn who makes it.
//!
//! A change or removal notes itself with the transaction ([`Tx::touch_deployment`], [`Tx::touch_config`]). It
//! holds at once on the replica that made it; the others look for such notes twice a second, and a replica
//! whose last look is a second old asks the database again (SECURITY-MODEL G22). What is not there is never
//! remembered: a new credential works at once everywhere.
//!
//! [`Tx::touch_deployment`]: super::Tx::touch_deployment
//! [`Tx::touch_config`]: super::Tx::touch_config

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;

use moka::sync::Cache;

use super::applications::StoredApplication;
use super::directory_tokens::Door;
use super::{Store, StoreError};
use crate::ids::{ApplicationId, OrganizationId};
use crate::model::ApiKey;

/// Of each kind; what was not asked for lately gives way.
const CAPACITY: u64 = 20_000;

/// This replica's memory of who may call.
#[derive(Default)]
pub(super) struct Remembered {
    pub(super) applications: Memory<ApplicationId, Arc<StoredApplication>>,
    /// By keyed hash.
    pub(super) api_keys: Memory<Box<str>, Arc<ApiKey>>,
    /// By keyed hash of the token.
    pub(super) doors: Memory<Box<str>, Door>,
}

/// Values, each with the change up to which it is true.
pub(super) struct Memory<K, V>(Cache<K, (i64, V)>);

impl<K, V> Default for Memory<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn default() -> Self {
        Self(Cache::new(CAPACITY))
    }
}

impl<K, V> Memory<K, V>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// The value as memory has it, while that holds; else as `read` finds it. `owner` is the organization with
    /// which the value goes.
    pub(super) async fn get_or_read(
        &self,
        store: &Store,
        key: K,
        owner: impl Fn(&V) -> Option<OrganizationId>,
        read: impl AsyncFnOnce() -> Result<Option<V>, StoreError>,
    ) -> Result<Option<V>, StoreError> {
        if let Some((version, value)) = self.0.get(&key)
            && store.memory_holds(version, owner(&value))
        {
            return Ok(Some(value));
        }
        // Asked before the row is read: a change in between only makes the entry look old.
        let version = store.memory_version();
        let value = read().await?;
        match &value {
            Some(value) => self.0.insert(key, (version, value.clone())),
            None => self.0.invalidate(&key),
        }
        Ok(value)
    }

    /// Changes a value that is remembered.
    pub(super) fn amend<Q>(&self, key: &Q, change: impl FnOnce(&mut V))
    where
        K: Borrow<Q> + for<'a> From<&'a Q>,
        Q: Hash + Eq + ?Sized,
    {
        if let Some((version, mut value)) = self.0.get(key) {
            change(&mut value);
            self.0.insert(K::from(key), (version, value));
        }
    }
}

#[cfg(test)]
mod tests;
