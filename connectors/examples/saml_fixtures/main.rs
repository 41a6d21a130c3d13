//! Writes `fixtures/saml/accept` and `fixtures/saml/reject` anew: `cargo run -p connectors --example
//! saml_fixtures`.
//!
//! Signatures are made by the `xmlsec1` command and keys are wrapped by `openssl`, so that the verifier is
//! tested against other people's canonical form, padding and signature, and never against its own.
//! Needs both commands; run it only when shapes or attacks change, for every signature comes out the same
//! but every ciphertext new.

mod attacks;
mod message;
mod shapes;
mod tools;

use std::fs;
use std::path::{Path, PathBuf};

/// One folder of fixtures.
pub(crate) struct Fixture {
    pub(crate) folder: String,
    pub(crate) response: Option<Vec<u8>>,
    pub(crate) metadata: String,
    pub(crate) case: String,
}

fn main() -> std::io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/saml");
    write(&root.join("accept"), shapes::all())?;
    write(&root.join("reject"), attacks::all())
}

fn write(parent: &Path, fixtures: Vec<Fixture>) -> std::io::Result<()> {
    if parent.exists() {
        fs::remove_dir_all(parent)?;
    }
    for fixture in fixtures {
        let folder: PathBuf = parent.join(&fixture.folder);
        assert!(!folder.exists(), "two fixtures named {}", fixture.folder);
        fs::create_dir_all(&folder)?;
        if let Some(response) = &fixture.response {
            fs::write(folder.join("response.xml"), response)?;
        }
        fs::write(folder.join("metadata.xml"), &fixture.metadata)?;
        fs::write(folder.join("case.toml"), &fixture.case)?;
        println!("{}", folder.display());
    }
    Ok(())
}
