//! Key-encryption keys: from the settings, or from the file beside the SQLite database.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};

use super::{DatabaseUrl, problem::Refused};
use crate::{
    clock::Entropy,
    secrets::{EncryptionKey, Secret},
};

pub(super) const ACCEPTED: &str = "write id:base64(32 bytes), several separated by commas; `openssl rand -base64 32` makes the second half";

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// One `id:base64(32 bytes)`.
pub(super) fn parse(value: &str) -> Result<EncryptionKey, Refused> {
    let (id, encoded) = value
        .split_once(':')
        .ok_or_else(|| Refused::new("has no id before a colon", ACCEPTED))?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if id.is_empty() || id.len() > 32 || !id.bytes().all(plain) {
        let accepted = "an id is 1 to 32 letters, digits, - or _";
        return Err(Refused::new("has an id that cannot be stored", accepted));
    }
    let decoded = BASE64.decode(encoded.trim()).map(Secret::new);
    let bytes = decoded.map_err(|_| Refused::new("is not base64 behind the colon", ACCEPTED))?;
    let key = <[u8; 32]>::try_from(bytes.expose().as_slice()).map_err(|_| {
        Refused::new(
            format!("has {} bytes instead of 32", bytes.expose().len()),
            ACCEPTED,
        )
    })?;
    Ok(EncryptionKey {
        id: id.to_owned(),
        key: Secret::new(key),
    })
}

pub(super) fn repeated_id(keys: &[EncryptionKey]) -> Option<String> {
    let mut rest = keys;
    while let Some((first, others)) = rest.split_first() {
        if others.iter().any(|key| key.id == first.id) {
            return Some(first.id.clone());
        }
        rest = others;
    }
    None
}

/// Why the keys beside the SQLite file can't be had.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error("the encryption keys in {} cannot be read or made: {error}", path.display())]
    Io { path: PathBuf, error: io::Error },
    #[error("{}, line {line}, {wrong}; {accepted}", path.display())]
    Malformed {
        path: PathBuf,
        line: usize,
        wrong: String,
        accepted: String,
    },
    #[error("{} holds no encryption key; restore it from your backup, or what it sealed is lost", path.display())]
    Empty { path: PathBuf },
}

/// The keys in `<database file>.keys`, one `id:base64` a line, the first encrypting; made there, readable by
/// the owner only, when the file doesn't exist. A database in memory gets a key that lives as long as it.
/// Not for PostgreSQL, where the configuration must bring them.
///
/// # Errors
/// When the file can't be read, written or understood.
pub fn load_or_create_keys(
    database: &DatabaseUrl,
    entropy: &dyn Entropy,
) -> Result<Vec<EncryptionKey>, KeysError> {
    let Some(database_file) = database.sqlite_file() else {
        return Ok(vec![fresh_key(entropy)]);
    };
    let mut name = database_file.into_os_string();
    name.push(".keys");
    let path = PathBuf::from(name);
    let failed = |error| KeysError::Io {
        path: path.clone(),
        error,
    };
    match fs::read_to_string(&path).map(Secret::new) {
        Ok(text) => read_keys(&path, text.expose()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = fresh_key(entropy);
            match create(&path, &key) {
                Ok(()) => Ok(vec![key]),
                // Another process started at the same moment and was first: its key counts.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let text = fs::read_to_string(&path).map(Secret::new).map_err(failed)?;
                    read_keys(&path, text.expose())
                }
                Err(error) => Err(failed(error)),
            }
        }
        Err(error) => Err(failed(error)),
    }
}

fn read_keys(path: &Path, text: &str) -> Result<Vec<EncryptionKey>, KeysError> {
    let lines = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim()));
    let keys = lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(line, text)| {
            parse(text).map_err(|Refused { wrong, accepted }| KeysError::Malformed {
                path: path.to_owned(),
                line,
                wrong,
                accepted,
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    if keys.is_empty() {
        Err(KeysError::Empty {
            path: path.to_owned(),
        })
    } else {
        Ok(keys)
    }
}

/// Written in full under another name, on disk, and only then given its own: a crash leaves no half key, and
/// a link that exists already is another process's.
fn create(path: &Path, key: &EncryptionKey) -> io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}", std::process::id()));
    let draft = PathBuf::from(draft);
    let text = Secret::new(format!(
        "# Tenon's key-encryption keys. Without them the secrets in the database are lost: back them up.\n\
         {}:{}\n",
        key.id,
        BASE64.encode(key.key.expose())
    ));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    file.write_all(text.expose().as_bytes())?;
    file.sync_all()?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    linked?;
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn fresh_key(entropy: &dyn Entropy) -> EncryptionKey {
    let mut key = [0; 32];
    entropy.fill(&mut key);
    EncryptionKey {
        id: "k1".to_owned(),
        key: Secret::new(key),
    }
}
