use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use x509_parser::prelude::FromDer;

use super::super::base64;
use super::*;

fn der(pem: &str) -> Vec<u8> {
    base64::decode(
        &pem.lines()
            .filter(|line| !line.starts_with("--"))
            .collect::<String>(),
    )
    .unwrap()
}

fn private_key() -> PrivateKey {
    PrivateKey::from_pkcs8(&der(include_str!(
        "../../../../fixtures/saml/keys/sp.key.pem"
    )))
    .unwrap()
}

/// Encrypted by aws-lc-rs to the key's public half.
fn wrapped(message: &[u8]) -> Vec<u8> {
    let certificate = der(include_str!("../../../../fixtures/saml/keys/sp.crt.pem"));
    let (_, certificate) =
        x509_parser::certificate::X509Certificate::from_der(&certificate).unwrap();
    let key = PublicEncryptingKey::from_der(certificate.public_key().raw).unwrap();
    let key = OaepPublicEncryptingKey::new(key).unwrap();
    let mut room = vec![0; key.ciphertext_size()];
    key.encrypt(&OAEP_SHA256_MGF1SHA256, message, &mut room, Some(b"label"))
        .unwrap()
        .to_vec()
}

fn oaep(label: &[u8]) -> Oaep {
    Oaep {
        digest: Sha::Sha256,
        mgf: Sha::Sha256,
        label: label.to_vec(),
    }
}

#[test]
fn our_own_decoding_agrees_with_the_librarys() {
    let key = private_key();
    for message in [&b"a content key of 32 bytes length"[..], b"", b"\0\x01\0"] {
        let wrapped = wrapped(message);
        let mut encoded = key.private_operation(&wrapped).unwrap();
        assert_eq!(
            unpad(&oaep(b"label"), &mut encoded).unwrap().as_slice(),
            message
        );
        assert_eq!(
            key.decrypt(&oaep(b"label"), &wrapped).unwrap().as_slice(),
            message
        );
    }
}

#[test]
fn every_damage_fails_alike() {
    let key = private_key();
    let encoded = key.private_operation(&wrapped(b"message")).unwrap();
    let opens = |label: &[u8], change: &dyn Fn(&mut Vec<u8>)| {
        let mut encoded = encoded.to_vec();
        change(&mut encoded);
        unpad(&oaep(label), &mut encoded).is_some()
    };
    assert!(opens(b"label", &|_| {}));
    assert!(!opens(b"another", &|_| {}));
    for at in [0, 1, 40, 100, 255] {
        assert!(!opens(b"label", &|encoded| encoded[at] ^= 1), "{at}");
    }
    assert!(!opens(b"label", &|encoded| encoded.truncate(60)));
    assert!(!opens(b"label", &|encoded| encoded.fill(0)));
    assert!(key.decrypt(&oaep(b"label"), &[0; 255]).is_none());
    assert!(
        key.private_operation(&[0xff; 256]).is_none(),
        "larger than the modulus"
    );
}

#[test]
fn what_is_no_rsa_key_is_refused() {
    let curve = der(include_str!(
        "../../../../fixtures/saml/keys/idp-p256.key.pem"
    ));
    assert!(PrivateKey::from_pkcs8(&curve).is_none());
    assert!(PrivateKey::from_pkcs8(&[]).is_none());
    assert!(modulus_and_exponent(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]).is_none());
}
