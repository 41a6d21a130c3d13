use super::*;

macro_rules! key {
    ($name:literal) => {
        include_str!(concat!("../../../../fixtures/saml/keys/", $name))
    };
}

const IDP: &str = key!("idp.crt.pem");

#[test]
fn every_form_that_consoles_offer_gives_the_same_certificate() {
    let expected = parse_certificate(IDP.as_bytes()).unwrap();
    let der = to_der(IDP.as_bytes()).unwrap();
    let bare: String = IDP.lines().filter(|line| !line.starts_with("--")).collect();
    let wrapped = bare
        .as_bytes()
        .chunks(76)
        .map(|c| std::str::from_utf8(c).unwrap())
        .collect::<Vec<_>>();
    for form in [
        der,
        bare.clone().into_bytes(),
        wrapped.join("\r\n").into_bytes(),
        format!("\n  {bare} \n").into_bytes(),
        format!("Bag Attributes\n{IDP}\n").into_bytes(),
        expected.pem.clone().into_bytes(),
    ] {
        assert_eq!(parse_certificate(&form).as_ref(), Ok(&expected));
    }
    assert_eq!(expected.subject, "CN=idp.example");
    assert_eq!(expected.key, "RSA 2048");
    assert_eq!(expected.fingerprint.len(), 64);
}

#[test]
fn curves_are_named() {
    assert_eq!(
        parse_certificate(key!("idp-p256.crt.pem").as_bytes())
            .unwrap()
            .key,
        "EC P-256"
    );
    assert_eq!(
        parse_certificate(key!("idp-p384.crt.pem").as_bytes())
            .unwrap()
            .key,
        "EC P-384"
    );
}

#[test]
fn what_is_no_usable_certificate_is_named_in_plain_words() {
    for (input, says) in [
        (key!("weak.crt.pem"), "1024 bits"),
        (key!("idp.key.pem"), "private key"),
        (
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
            "not one of a certificate",
        ),
        ("-----BEGIN CERTIFICATE-----\nAAAA", "last line is missing"),
        ("hello, world", "not a certificate"),
        ("", "not a certificate"),
        ("AAAA", "not an X.509 certificate"),
        (&IDP.repeat(2), "several certificates"),
    ] {
        let error = parse_certificate(input.as_bytes()).expect_err(says);
        assert!(error.contains(says), "{error}");
    }
    assert!(parse_certificate(&[0x30, 0x82, 0xff]).is_err());
}

#[test]
fn signatures_of_a_curve_become_der_with_the_shortest_integers() {
    let mut r = vec![0; 32];
    r[31] = 0x7f;
    let mut s = vec![0; 32];
    s[30] = 0x80;
    assert_eq!(
        ecdsa_to_der((&r, &s)),
        [0x30, 8, 2, 1, 0x7f, 2, 3, 0, 0x80, 0]
    );
    assert_eq!(
        ecdsa_to_der((&[0; 32], &[0; 32])),
        [0x30, 6, 2, 1, 0, 2, 1, 0]
    );
}

#[test]
fn a_certificate_knows_whether_it_is_valid_now() {
    let ended = Certificate::parse(key!("idp-expired.crt.pem").as_bytes()).unwrap();
    let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    assert_eq!(ended.outside_validity(at("2020-06-01T00:00:00Z")), None);
    assert_eq!(
        ended.outside_validity(at("2026-01-01T00:00:00Z")).unwrap(),
        "2021-01-01T00:00:00Z"
    );
    assert!(
        ended
            .outside_validity(at("2018-01-01T00:00:00Z"))
            .unwrap()
            .contains("from 2019-01-01")
    );
}
