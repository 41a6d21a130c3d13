//! What the sandbox keeps between two starts, beside the gateway's database: secrets that an API shows once.

use std::{io, path::Path};

use serde::{Serialize, de::DeserializeOwned};

/// The file's content; its default where there is none, or none that can be read: everything in it can be
/// made again.
pub(crate) fn read_or_default<T: DeserializeOwned + Default>(file: &Path) -> T {
    let content = std::fs::read(file).unwrap_or_default();
    serde_json::from_slice(&content).unwrap_or_default()
}

/// Writes JSON that only this user may read.
pub(crate) fn write_private<T: Serialize>(file: &Path, value: &T) -> io::Result<()> {
    use std::io::Write as _;

    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
        .open(file)?
        .write_all(&serde_json::to_vec_pretty(value)?)
}
