//! RSA-OAEP with our private key (RFC 8017 7.1).
//!
//! aws-lc-rs opens the two forms in which OAEP's hash and MGF1's hash are the same. IdPs also send the
//! mixed ones: `rsa-oaep-mgf1p` fixes MGF1 to SHA-1 whatever the digest is (xmlenc-core1 5.5.2). For these
//! the private operation is a constant-time exponentiation of `crypto-bigint`, slower and without the
//! Chinese remainder theorem, and the padding is taken off below without a branch on secret bytes.

use aws_lc_rs::digest;
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey,
};
use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Odd, U2048, U3072, U4096, Uint};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroizing;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sha {
    Sha1,
    Sha256,
}

impl Sha {
    fn digest(self, parts: &[&[u8]]) -> digest::Digest {
        let mut context = digest::Context::new(match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
        });
        parts.iter().for_each(|part| context.update(part));
        context.finish()
    }
}

/// The parameters of one OAEP encryption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Oaep {
    pub(super) digest: Sha,
    pub(super) mgf: Sha,
    pub(super) label: Vec<u8>,
}

pub(super) struct PrivateKey {
    key: OaepPrivateDecryptingKey,
    /// Modulus and private exponent, big endian, the modulus without leading zeros.
    modulus: Vec<u8>,
    exponent: Zeroizing<Vec<u8>>,
}

impl PrivateKey {
    /// `None` when this is no RSA key in PKCS#8 form (RFC 5958).
    pub(super) fn from_pkcs8(pkcs8: &[u8]) -> Option<Self> {
        let key = PrivateDecryptingKey::from_pkcs8(pkcs8).ok()?;
        let (modulus, exponent) = modulus_and_exponent(pkcs8)?;
        Some(Self {
            key: OaepPrivateDecryptingKey::new(key).ok()?,
            modulus: modulus.to_vec(),
            exponent: Zeroizing::new(exponent.to_vec()),
        })
    }

    /// `None` for every failure alike.
    pub(super) fn decrypt(&self, oaep: &Oaep, wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        if wrapped.len() != self.key.key_size_bytes() {
            return None;
        }
        let algorithm = match (oaep.digest, oaep.mgf) {
            (Sha::Sha1, Sha::Sha1) => &OAEP_SHA1_MGF1SHA1,
            (Sha::Sha256, Sha::Sha256) => &OAEP_SHA256_MGF1SHA256,
            _ => return unpad(oaep, &mut self.private_operation(wrapped)?),
        };
        let label = (!oaep.label.is_empty()).then_some(oaep.label.as_slice());
        let mut room = Zeroizing::new(vec![0; self.key.min_output_size()]);
        let opened = self
            .key
            .decrypt(algorithm, wrapped, &mut room, label)
            .ok()?;
        Some(Zeroizing::new(opened.to_vec()))
    }

    /// RSADP of RFC 8017 5.1.2, for keys of 2048, 3072 and 4096 bits.
    fn private_operation(&self, wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        match self.modulus.len() {
            256 => power::<{ U2048::LIMBS }>(wrapped, &self.modulus, &self.exponent),
            384 => power::<{ U3072::LIMBS }>(wrapped, &self.modulus, &self.exponent),
            512 => power::<{ U4096::LIMBS }>(wrapped, &self.modulus, &self.exponent),
            _ => None,
        }
    }
}

fn power<const LIMBS: usize>(
    base: &[u8],
    modulus: &[u8],
    exponent: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let size = modulus.len();
    let uint = |bytes: &[u8]| {
        let mut padded = Zeroizing::new(vec![0; size]);
        padded
            .get_mut(size.checked_sub(bytes.len())?..)?
            .copy_from_slice(bytes);
        Some(Uint::<LIMBS>::from_be_slice(&padded))
    };
    let (base, exponent) = (uint(base)?, uint(exponent)?);
    let modulus = Option::<Odd<Uint<LIMBS>>>::from(Odd::new(uint(modulus)?))?;
    // Both are public.
    if base >= *modulus.as_ref() {
        return None;
    }
    let params = FixedMontyParams::new_vartime(modulus);
    let result = FixedMontyForm::new(&base, &params)
        .pow(&exponent)
        .retrieve();
    Some(Zeroizing::new(result.to_be_bytes().as_ref().to_vec()))
}

/// EME-OAEP decoding (RFC 8017 7.1.2 step 3). Which check failed must not show, not even in time
/// (Manger 2001).
fn unpad(oaep: &Oaep, encoded: &mut [u8]) -> Option<Zeroizing<Vec<u8>>> {
    let label_hash = oaep.digest.digest(&[&oaep.label]);
    let hash_len = label_hash.as_ref().len();
    if encoded.len() < 2 * hash_len + 2 {
        return None;
    }
    let (first, rest) = encoded.split_at_mut(1);
    let (seed, block) = rest.split_at_mut(hash_len);
    mask(oaep.mgf, block, seed);
    mask(oaep.mgf, seed, block);

    let mut valid = first[0].ct_eq(&0) & block[..hash_len].ct_eq(label_hash.as_ref());
    let mut found = Choice::from(0);
    let mut start = 0_u32;
    for (at, byte) in (0_u32..).zip(block.iter()).skip(hash_len) {
        let one = byte.ct_eq(&1) & !found;
        valid &= found | one | byte.ct_eq(&0);
        start.conditional_assign(&(at + 1), one);
        found |= one;
    }
    let message = block.get(start as usize..)?;
    bool::from(valid & found).then(|| Zeroizing::new(message.to_vec()))
}

/// XORs MGF1 of `seed` onto `target` (RFC 8017 B.2.1).
fn mask(hash: Sha, seed: &[u8], target: &mut [u8]) {
    let len = hash.digest(&[]).as_ref().len();
    for (counter, chunk) in (0_u32..).zip(target.chunks_mut(len)) {
        let bytes = hash.digest(&[seed, &counter.to_be_bytes()]);
        chunk
            .iter_mut()
            .zip(bytes.as_ref())
            .for_each(|(byte, mask)| *byte ^= mask);
    }
}

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;

/// n and d out of PrivateKeyInfo { version, algorithm, RSAPrivateKey { version, n, e, d, … } }.
fn modulus_and_exponent(pkcs8: &[u8]) -> Option<(&[u8], &[u8])> {
    let (mut info, _) = element(pkcs8, SEQUENCE)?;
    (_, info) = element(info, INTEGER)?;
    (_, info) = element(info, SEQUENCE)?;
    let (key, _) = element(info, OCTET_STRING)?;
    let (mut key, _) = element(key, SEQUENCE)?;
    (_, key) = element(key, INTEGER)?;
    let (modulus, key) = element(key, INTEGER)?;
    let (_, key) = element(key, INTEGER)?;
    let (exponent, _) = element(key, INTEGER)?;
    Some((strip_zeros(modulus), strip_zeros(exponent)))
}

fn strip_zeros(integer: &[u8]) -> &[u8] {
    &integer[integer.iter().take_while(|&&b| b == 0).count()..]
}

/// The content of the DER element at the start, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = der.split_first()?;
    let (&short, rest) = rest.split_first().filter(|_| first == tag)?;
    let (len, rest) = if short < 0x80 {
        (usize::from(short), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(short & 0x7f))?;
        (
            digits.iter().try_fold(0_usize, |len, &b| {
                Some(len.checked_mul(256)? + usize::from(b))
            })?,
            rest,
        )
    };
    rest.split_at_checked(len)
}

#[cfg(test)]
mod tests;
