//! SAML validations per second and core, printed beside their bars (12,000 for a 7 KB response with a
//! signed assertion, 1,200 with decryption), what a hostile 100 kB costs (bar: 1 ms), and what no login may cost:
//! memory that stays. Beside the rates stands what the machine's RSA alone would allow.
//!
//! `cargo bench -p connectors --bench saml` fails when a bar is missed. Time is the thread's own CPU time from `/proc`, so that a busy
//! machine does not change the figures much.

#[path = "../tests/support/saml.rs"]
#[expect(dead_code, reason = "the benchmark needs only a part of a case")]
mod support;

use std::fs;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, OaepPublicEncryptingKey,
    PrivateDecryptingKey,
};
use aws_lc_rs::signature::{
    KeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use support::Fixture;

const VALIDATIONS_BAR: f64 = 12_000.0;
const DECRYPTIONS_BAR: f64 = 1_200.0;
const HOSTILE_BAR: Duration = Duration::from_millis(1);
const HOSTILE_SIZE: usize = 100_000;
const LOGINS: usize = 100_000;
/// What the allocator may keep more of after [`LOGINS`] logins: five bytes each.
const GROWTH_BAR_KIB: usize = 512;

fn main() -> ExitCode {
    // `cargo bench --bench saml -- empty` measures what has this in its name.
    let wanted = std::env::args().skip(1).find(|a| !a.starts_with('-'));
    let wanted = |name: &str| {
        wanted
            .as_ref()
            .is_none_or(|part| name.contains(part.as_str()))
    };
    let mut missed = false;
    let (verify, decrypt) = rsa();
    println!(
        "RSA-2048 alone: verify {:.1} µs ({:.0}/s), decrypt {:.1} µs ({:.0}/s)\n",
        micros(verify),
        1.0 / verify.as_secs_f64(),
        micros(decrypt),
        1.0 / decrypt.as_secs_f64()
    );
    println!(
        "{:52} {:>7} {:>8} {:>10} {:>8}  bar",
        "accepted", "bytes", "µs", "per second", "× RSA"
    );
    for (name, bar) in [
        ("okta-assertion", Some(VALIDATIONS_BAR)),
        ("entra-assertion", None),
        ("okta-response-and-assertion", None),
        ("generic-ecdsa-p256", None),
        ("generic-thousand-groups", None),
        ("shibboleth-encrypted-gcm", Some(DECRYPTIONS_BAR)),
        ("entra-encrypted", Some(DECRYPTIONS_BAR)),
        ("generic-oaep-sha256-mgf1-sha1", None),
    ]
    .into_iter()
    .filter(|(name, _)| wanted(name))
    {
        let fixture = Fixture::open("accept", name);
        let xml = fixture.xml.as_deref().expect("a response");
        assert!(fixture.complete(fixture.field()).outcome.is_ok(), "{name}");
        let each = measure(&fixture, xml);
        let rate = 1.0 / each.as_secs_f64();
        let encrypted = xml.windows(13).any(|part| part == b"EncryptedData");
        let alone = if encrypted { verify + decrypt } else { verify };
        let bar = bar.map_or(String::new(), |bar| {
            format!("{bar:.0} {}", verdict(rate >= bar, &mut missed))
        });
        println!(
            "{name:52} {:>7} {:>8.1} {rate:>10.0} {:>8.1}  {bar}",
            xml.len(),
            micros(each),
            each.as_secs_f64() / alone.as_secs_f64(),
        );
    }

    println!(
        "\n{:52} {:>7} {:>8} {:>10}  bar",
        "refused", "bytes", "µs", "per 100 kB"
    );
    let fixture = Fixture::open("reject", "signature_invalid-changed-name");
    let changed = fixture
        .xml
        .clone()
        .and_then(|xml| String::from_utf8(xml).ok())
        .expect("a response");
    for (name, xml) in hostile(&changed)
        .into_iter()
        .filter(|(name, _)| wanted(name))
    {
        let error = fixture
            .complete(Some(STANDARD.encode(&xml)))
            .outcome
            .expect_err(name);
        let each = measure(&fixture, xml.as_bytes());
        let scaled = each.mul_f64(HOSTILE_SIZE as f64 / xml.len() as f64);
        let name = format!("{name} ({})", error.code());
        let bar = format!(
            "{} {}",
            micros(HOSTILE_BAR),
            verdict(scaled <= HOSTILE_BAR, &mut missed)
        );
        println!(
            "{name:52} {:>7} {:>8.1} {:>10.1}  {bar}",
            xml.len(),
            micros(each),
            micros(scaled)
        );
    }
    if wanted("slowest") {
        slowest_fixture();
    }
    if wanted("memory") {
        missed |= memory() > GROWTH_BAR_KIB;
    }
    if missed {
        println!("\na bar was missed");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn verdict(met: bool, missed: &mut bool) -> &'static str {
    *missed |= !met;
    if met { "met" } else { "MISSED" }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// What this machine needs to verify one signature, and to decrypt one key.
fn rsa() -> (Duration, Duration) {
    let signing = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
    let mut signature = vec![0; signing.public_modulus_len()];
    let random = SystemRandom::new();
    let signed = signing.sign(&RSA_PKCS1_SHA256, &random, b"SignedInfo", &mut signature);
    signed.expect("a signature");
    let public = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, signing.public_key());
    let public = public.expect("a key");
    let verify =
        best(|| black_box(public.verify_sig(b"SignedInfo", &signature)).expect("it holds"));

    let private = PrivateDecryptingKey::generate(KeySize::Rsa2048).expect("a key");
    let public = OaepPublicEncryptingKey::new(private.public_key()).expect("a key");
    let private = OaepPrivateDecryptingKey::new(private).expect("a key");
    let mut room = [0; 256];
    let sealed = public.encrypt(&OAEP_SHA1_MGF1SHA1, &[7; 32], &mut room, None);
    let sealed = sealed.expect("a ciphertext").to_vec();
    let decrypt = best(|| {
        let mut room = [0; 256];
        let opened = private.decrypt(&OAEP_SHA1_MGF1SHA1, &sealed, &mut room, None);
        black_box(opened.expect("the key"));
    });
    (verify, decrypt)
}

/// One login.
fn measure(fixture: &Fixture, xml: &[u8]) -> Duration {
    let field = Some(STANDARD.encode(xml));
    best(|| drop(black_box(fixture.complete(field.clone()))))
}

/// Rounds of many, the best round, because the others were disturbed.
fn best(once: impl Fn()) -> Duration {
    let started = cpu_time();
    once();
    let rough = (cpu_time() - started).max(Duration::from_micros(1));
    let rounds = (50_000_000 / rough.as_nanos()).clamp(5, 2_000) as u32;
    let round = |_| {
        let started = cpu_time();
        (0..rounds).for_each(|_| once());
        (cpu_time() - started) / rounds
    };
    (0..5).map(round).min().unwrap_or_default()
}

fn cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").expect("schedstat");
    let nanos = stat
        .split(' ')
        .next()
        .and_then(|n| n.parse().ok())
        .expect("a number");
    Duration::from_nanos(nanos)
}

/// The refused fixture that takes longest.
fn slowest_fixture() {
    let slowest = Fixture::all("reject")
        .into_iter()
        .filter_map(|fixture| Some((measure(&fixture, fixture.xml.as_deref()?), fixture.name)))
        .max();
    if let Some((time, name)) = slowest {
        println!(
            "\nslowest of the refused fixtures: {name}, {:.1} µs",
            micros(time)
        );
    }
}

/// By how many KiB many logins let the resident memory grow.
fn memory() -> usize {
    let resident = || {
        let statm = fs::read_to_string("/proc/self/statm").expect("statm");
        let pages = statm
            .split(' ')
            .nth(1)
            .and_then(|n| n.parse::<usize>().ok())
            .expect("a number");
        pages * 4
    };
    let fixture = Fixture::open("accept", "okta-assertion");
    let field = fixture.field();
    let run = |count| (0..count).for_each(|_| drop(black_box(fixture.complete(field.clone()))));
    run(LOGINS / 10);
    let before = resident();
    run(LOGINS);
    let after = resident();
    println!("memory: {before} KiB, after {LOGINS} more logins {after} KiB");
    after.saturating_sub(before)
}

/// 100 kB of whatever costs a parser most, inside a response whose SignedInfo is right and whose
/// content was changed: it gets as far as the digest.
fn hostile(changed: &str) -> Vec<(&'static str, String)> {
    let extensions = |inside: String| {
        changed.replace(
            "<samlp:Status>",
            &format!("<samlp:Extensions>{inside}</samlp:Extensions><samlp:Status>"),
        )
    };
    let fill = |one: &str| one.repeat(HOSTILE_SIZE / one.len());
    let numbered = |one: &dyn Fn(usize) -> String| {
        let mut text = String::new();
        let mut numbers = 0..;
        while text.len() < HOSTILE_SIZE {
            text.extend(numbers.next().map(one));
        }
        text
    };
    let wide = |n: usize| {
        let attributes: String = (0..250).map(|a| format!(" a{n}x{a}=\"\"")).collect();
        format!("<a{attributes}/>")
    };
    // Forty levels that declare sixty prefixes each, and then elements that use them.
    let prefixes = {
        let declare = |level: usize| {
            let list: String = (0..60)
                .map(|n| format!(" xmlns:p{level}x{n}=\"u:\""))
                .collect();
            format!("<a{list}>")
        };
        let open: String = (0..40).map(declare).collect();
        let used: String = (0..5_000)
            .map(|n| format!("<p{}x{}:b/>", n % 40, n % 60))
            .collect();
        format!("{open}{used}{}", "</a>".repeat(40))
    };
    let long_namespace = {
        // Each element would render the long name again: the canonical form grows without end.
        let name = format!("u:{}", "x".repeat(HOSTILE_SIZE / 2));
        let many = "<long:a/>".repeat(HOSTILE_SIZE / 18);
        changed
            .replace(
                "<saml:Assertion ",
                &format!("<saml:Assertion xmlns:long=\"{name}\" "),
            )
            .replace(
                "</saml:AttributeStatement>",
                &format!("</saml:AttributeStatement>{many}"),
            )
    };
    vec![
        ("empty elements", extensions(fill("<a/>"))),
        ("elements with attributes", extensions(fill("<a b=\"\"/>"))),
        ("wide elements", extensions(numbered(&wide))),
        ("many prefixes", extensions(prefixes)),
        ("new prefixes", extensions(numbered(&|n| format!("<p{n}:a xmlns:p{n}=\"u:\"/>")))),
        ("many IDs", extensions(numbered(&|n| format!("<a ID=\"{n}\"/>")))),
        ("character references", extensions(fill("&#38;"))),
        ("comments in text", extensions(fill("a<!---->"))),
        ("text", extensions(fill("lorem ipsum "))),
        ("unclosed tags", fill("<a>")),
        ("a DOCTYPE", format!("<!DOCTYPE a [{}]>", fill("<!ENTITY a \"&b;&b;\">"))),
        ("a long digested text", changed.replace(">Pat<", &format!(">{}<", fill("lorem ipsum ")))),
        ("elements that are digested", changed.replace("</saml:AttributeStatement>", &format!("{}</saml:AttributeStatement>", fill("<saml:Attribute Name=\"a\"/>")))),
        ("a namespace that canonical form repeats", long_namespace),
        ("a long PrefixList", changed.replace("<ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"/>", &format!("<ds:CanonicalizationMethod Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"><ec:InclusiveNamespaces xmlns:ec=\"http://www.w3.org/2001/10/xml-exc-c14n#\" PrefixList=\"{}\"/></ds:CanonicalizationMethod>", numbered(&|n| format!("p{n} "))))),
    ]
}
