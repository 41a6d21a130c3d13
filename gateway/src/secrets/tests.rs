use std::sync::atomic::{AtomicU8, Ordering};

use super::*;
use crate::clock::Entropy;

/// Bytes that differ on every call.
struct Counting(AtomicU8);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill_with(|| self.0.fetch_add(1, Ordering::Relaxed));
    }
}

fn entropy() -> Counting {
    Counting(AtomicU8::new(1))
}

fn kek(id: &str, byte: u8) -> EncryptionKey {
    EncryptionKey {
        id: id.to_owned(),
        key: Secret::new([byte; 32]),
    }
}

const PLACE: Aad<'static> = Aad {
    table: "connections",
    column: "client_secret",
    row: "conn_1",
    organization: "org_1",
};

#[test]
fn a_sealed_secret_opens_in_its_own_place_only() {
    let entropy = entropy();
    let ring = KeyRing::new(&[kek("k1", 7)]).unwrap();
    let (key, _) = ring
        .generate_data_key(KeyOwner::Organization("org_1"), &entropy)
        .unwrap();
    let sealed = key.seal(PLACE, b"hunter2", &entropy).unwrap();

    assert!(!sealed.contains("hunter2"));
    assert_eq!(key.open_text(PLACE, &sealed).unwrap().expose(), "hunter2");
    let elsewhere = [
        Aad {
            row: "conn_2",
            ..PLACE
        },
        Aad {
            column: "private_key",
            ..PLACE
        },
        Aad {
            table: "endpoints",
            ..PLACE
        },
        Aad {
            organization: "org_2",
            ..PLACE
        },
        Aad {
            organization: "",
            ..PLACE
        },
        // The same letters with another border between them.
        Aad {
            column: "client_secretc",
            row: "onn_1",
            ..PLACE
        },
    ];
    for aad in elsewhere {
        assert_eq!(
            key.open(aad, &sealed).unwrap_err(),
            SecretsError::DoesNotOpen,
            "{aad:?}"
        );
    }
}

#[test]
fn another_organizations_key_does_not_open_it() {
    let entropy = entropy();
    let ring = KeyRing::new(&[kek("k1", 7)]).unwrap();
    let (ours, wrapped) = ring
        .generate_data_key(KeyOwner::Organization("org_1"), &entropy)
        .unwrap();
    let (theirs, _) = ring
        .generate_data_key(KeyOwner::Organization("org_2"), &entropy)
        .unwrap();
    let sealed = ours.seal(PLACE, b"hunter2", &entropy).unwrap();

    let refused = theirs.open(PLACE, &sealed).unwrap_err();
    assert!(
        matches!(refused, SecretsError::UnknownKey { .. }),
        "{refused}"
    );
    for owner in [
        KeyOwner::Organization("org_2"),
        KeyOwner::Deployment,
        KeyOwner::TokenHash,
    ] {
        let opened = ring.open_data_key(owner, &wrapped);
        assert_eq!(opened.unwrap_err(), SecretsError::DoesNotOpen, "{owner:?}");
    }
}

#[test]
fn the_same_secret_is_sealed_differently_each_time() {
    let entropy = entropy();
    let ring = KeyRing::new(&[kek("k1", 7)]).unwrap();
    let (key, _) = ring
        .generate_data_key(KeyOwner::Deployment, &entropy)
        .unwrap();
    let first = key.seal(PLACE, b"hunter2", &entropy).unwrap();
    assert_ne!(first, key.seal(PLACE, b"hunter2", &entropy).unwrap());
}

#[test]
fn an_altered_or_foreign_text_does_not_open() {
    let entropy = entropy();
    let ring = KeyRing::new(&[kek("k1", 7)]).unwrap();
    let (key, _) = ring
        .generate_data_key(KeyOwner::Deployment, &entropy)
        .unwrap();
    let sealed = key.seal(PLACE, b"hunter2", &entropy).unwrap();
    for position in 3..sealed.len() {
        let mut altered = sealed.clone().into_bytes();
        altered[position] = if altered[position] == b'A' {
            b'B'
        } else {
            b'A'
        };
        let altered = String::from_utf8(altered).unwrap();
        assert!(key.open(PLACE, &altered).is_err(), "{altered}");
    }
    for foreign in ["", "v1", "v1.", "v1.AAAA", "v2.AAAA", "v1.!!!!", "hunter2"] {
        assert!(key.open(PLACE, foreign).is_err(), "{foreign}");
    }
}

#[test]
fn a_new_key_encryption_key_only_wraps_the_data_keys_again() {
    let entropy = entropy();
    let old = KeyRing::new(&[kek("k1", 7)]).unwrap();
    let owner = KeyOwner::Organization("org_1");
    let (key, wrapped) = old.generate_data_key(owner, &entropy).unwrap();
    let (hasher, wrapped_hasher) = old.generate_token_hasher(&entropy).unwrap();
    let sealed = key.seal(PLACE, b"hunter2", &entropy).unwrap();

    let both = KeyRing::new(&[kek("k2", 8), kek("k1", 7)]).unwrap();
    let rewrapped = both.rewrap(owner, &wrapped, &entropy).unwrap().unwrap();
    let rewrapped_hasher = both
        .rewrap(KeyOwner::TokenHash, &wrapped_hasher, &entropy)
        .unwrap()
        .unwrap();
    assert!(both.rewrap(owner, &rewrapped, &entropy).unwrap().is_none());
    assert!(both.open_data_key(owner, &wrapped).is_ok());

    let new = KeyRing::new(&[kek("k2", 8)]).unwrap();
    let reopened = new.open_data_key(owner, &rewrapped).unwrap();
    assert_eq!(
        reopened.open_text(PLACE, &sealed).unwrap().expose(),
        "hunter2"
    );
    let reopened_hasher = new.open_token_hasher(&rewrapped_hasher).unwrap();
    assert_eq!(reopened_hasher.hash("token"), hasher.hash("token"));
    assert_eq!(
        new.open_data_key(owner, &wrapped).unwrap_err(),
        SecretsError::UnknownKey {
            id: "k1".to_owned()
        }
    );
}

#[test]
fn a_token_hash_needs_the_key() {
    let entropy = entropy();
    let ring = KeyRing::new(&[kek("k1", 7)]).unwrap();
    let (one, _) = ring.generate_token_hasher(&entropy).unwrap();
    let (two, _) = ring.generate_token_hasher(&entropy).unwrap();
    assert_eq!(one.hash("token").len(), 64);
    assert_eq!(one.hash("token"), one.hash("token"));
    assert_ne!(one.hash("token"), one.hash("tokem"));
    assert_ne!(one.hash("token"), two.hash("token"));
}

#[test]
fn nothing_prints_a_secret() {
    let entropy = entropy();
    let ring = KeyRing::new(&[kek("k1", 7), kek("k0", 9)]).unwrap();
    let (key, _) = ring
        .generate_data_key(KeyOwner::Deployment, &entropy)
        .unwrap();
    let (hasher, _) = ring.generate_token_hasher(&entropy).unwrap();
    let printed = format!(
        "{:?} {ring:?} {key:?} {hasher:?} {:?}",
        kek("k1", 7),
        Secret::new("x".to_owned())
    );
    assert_eq!(
        printed,
        r#"EncryptionKey { id: "k1", key: ••• } ["k1", "k0"] DataKey(•••) TokenHasher(•••) •••"#
    );
}

#[test]
fn matching_is_exact() {
    let secret = Secret::new("correct horse".to_owned());
    assert!(secret.matches("correct horse"));
    assert!(!secret.matches("correct hors"));
    assert!(!secret.matches("correct horsf"));
    assert!(!secret.matches(""));
}
