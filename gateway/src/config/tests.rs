use std::collections::HashMap;

use insta::assert_snapshot;

use super::*;
use crate::clock::Entropy;

struct Fixed(u8);

impl Entropy for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

const KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

fn load(file: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let variables: HashMap<String, String> = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    let env = |name: &str| variables.get(name).cloned();
    Config::read(Layers::parse(file, "tenon.toml".to_owned(), &env)?)
}

fn problems(file: &str, variables: &[(&str, &str)]) -> String {
    load(file, variables).unwrap_err().to_string()
}

#[test]
fn nothing_set_gives_the_defaults_of_the_contract() {
    let config = load("", &[]).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(
        config.public_url(config.listen).as_str(),
        "http://localhost:8080"
    );
    assert_eq!(config.database_url.expose(), "sqlite://tenon.db");
    assert!(config.auto_migrate && config.rate_limits);
    assert!(config.encryption_keys.is_empty() && config.bootstrap_api_key.is_none());
    assert!(config.egress_allow.is_empty() && config.trusted_proxies.is_empty());
    assert_eq!((config.log.as_str(), config.log_format), ("info", None));
}

#[test]
fn the_example_file_is_accepted_and_says_the_defaults() {
    let example = include_str!("../../../docs/tenon.example.toml");
    let config = load(example, &[]).unwrap();
    assert_eq!(
        format!("{config:?}"),
        format!("{:?}", load("", &[]).unwrap())
    );
    let known = |key: &&str| example.contains(&format!("{key} = "));
    assert!(
        layers::KEYS.iter().all(known),
        "a setting without a line in the example file"
    );
}

#[test]
fn a_variable_wins_over_the_file() {
    let file = "listen = \"127.0.0.1:1\"\nrate_limits = false\negress_allow = [\"10.0.0.0/8\"]";
    let config = load(
        file,
        &[
            ("TENON_LISTEN", "localhost:0"),
            ("TENON_EGRESS_ALLOW", "127.0.0.0/8, ::1"),
        ],
    )
    .unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:0");
    assert!(!config.rate_limits);
    let networks: Vec<String> = config.egress_allow.iter().map(IpNet::to_string).collect();
    assert_eq!(networks, ["127.0.0.0/8", "::1/128"]);
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    assert_eq!(load("", &[("TENON_LOG", " ")]).unwrap().log, "info");
}

#[test]
fn every_bad_value_is_named_at_once_with_what_is_accepted() {
    let file = r#"
        egress_allow = ["10.0.0.0/8", "10.0.0.0/40", 7, [1]]
        auto_migrate = "perhaps"
        log_format = 1.5
        lisen = "0.0.0.0:80"
    "#;
    let variables = [
        ("TENON_LISTEN", "8080"),
        ("TENON_PUBLIC_URL", "sso.app.example"),
        ("TENON_DATABASE_URL", "mysql://root:hunter2@db/tenon"),
        (
            "TENON_ENCRYPTION_KEYS",
            "hunter2,k1:aHVudGVyMg==,k 2:aHVudGVyMg==,k3:hunter2!",
        ),
        ("TENON_BOOTSTRAP_API_KEY", "hunter2"),
        ("TENON_TRUSTED_PROXIES", "proxy.example"),
        ("TENON_RATE_LIMITS", "yes"),
        ("TENON_LOG", "gateway=loud"),
        ("TENON_DNS_SERVERS", "dns.example"),
    ];
    let message = problems(file, &variables);
    assert!(
        !message.contains("hunter2") && !message.contains("aHVudGVyMg"),
        "{message}"
    );
    assert_snapshot!(message);
}

#[test]
fn the_public_url_is_an_origin_over_https_or_loopback() {
    for (value, origin) in [
        ("https://sso.app.example", "https://sso.app.example"),
        ("https://SSO.app.example:443/", "https://sso.app.example"),
        (
            "https://sso.app.example:8443",
            "https://sso.app.example:8443",
        ),
        ("http://localhost:8080/", "http://localhost:8080"),
        ("http://tenon.localhost", "http://tenon.localhost"),
        ("http://127.0.0.1:9", "http://127.0.0.1:9"),
        ("http://[::1]:9", "http://[::1]:9"),
    ] {
        let url = load("", &[("TENON_PUBLIC_URL", value)])
            .unwrap()
            .public_url
            .unwrap();
        assert_eq!(
            (url.as_str(), url.is_secure()),
            (origin, value.starts_with("https"))
        );
    }
    let refused: Vec<String> = [
        "http://sso.app.example",
        "https://sso.app.example/tenon",
        "https://sso.app.example/?a",
        "https://sso.app.example/#a",
        "https://user@sso.app.example",
        "ftp://sso.app.example",
        "http://localhost.example",
        "https://",
        "localhost:8080",
    ]
    .iter()
    .map(|value| {
        problems("", &[("TENON_PUBLIC_URL", value)])
            .lines()
            .skip(1)
            .collect()
    })
    .collect();
    assert_snapshot!(refused.join("\n"));
}

#[test]
fn postgres_needs_its_keys_and_hides_its_password() {
    let url = "postgres://tenon:hunter2@db.example/tenon";
    assert_snapshot!(problems("", &[("TENON_DATABASE_URL", url)]));
    let keys = format!("new:{KEY},old:{}", KEY.trim_end_matches('='));
    let config = load(
        "",
        &[
            ("TENON_DATABASE_URL", url),
            ("TENON_ENCRYPTION_KEYS", &keys),
        ],
    )
    .unwrap();
    assert_eq!(config.database_url.kind(), Database::Postgres);
    assert_eq!(config.database_url.expose(), url);
    assert!(
        config
            .encryption_keys
            .iter()
            .all(|key| key.key.matches([7; 32]))
    );
    let printed = format!("{config:?}");
    assert!(printed.contains("postgres db.example/tenon"), "{printed}");
    assert!(
        !printed.contains("hunter2") && !printed.contains(KEY),
        "{printed}"
    );

    let twice = format!("a:{KEY},a:{KEY}");
    assert!(problems("", &[("TENON_ENCRYPTION_KEYS", &twice)]).contains("\"a\" stands twice"));
}

#[test]
fn a_broken_file_is_named_with_its_line_and_without_its_text() {
    let message = problems(
        "listen = \"127.0.0.1:1\"\nbootstrap_api_key = \"hunter2",
        &[],
    );
    assert!(
        message.contains("tenon.toml") && message.contains("line 2"),
        "{message}"
    );
    assert!(!message.contains("hunter2"), "{message}");
}

#[test]
fn a_file_that_was_asked_for_must_be_there() {
    let missing = Path::new("no-such-folder/tenon.toml");
    let message = Config::load(Some(missing), |_| None)
        .unwrap_err()
        .to_string();
    assert!(message.contains("no-such-folder/tenon.toml"), "{message}");
}

#[test]
fn the_sqlite_file_is_found_in_every_spelling() {
    for (url, file) in [
        ("sqlite://tenon.db", Some("tenon.db")),
        ("sqlite:tenon.db", Some("tenon.db")),
        (
            "sqlite:///var/lib/tenon%20db?mode=rwc",
            Some("/var/lib/tenon db"),
        ),
        ("sqlite::memory:", None),
        ("sqlite://x?mode=memory", None),
    ] {
        let config = load("", &[("TENON_DATABASE_URL", url)]).unwrap();
        assert_eq!(
            config.database_url.sqlite_file().as_deref(),
            file.map(Path::new),
            "{url}"
        );
    }
}

#[test]
fn keys_beside_the_sqlite_file_are_made_once_and_for_the_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("tenon.db").display());
    let database = load("", &[("TENON_DATABASE_URL", &url)])
        .unwrap()
        .database_url;

    let made = load_or_create_keys(&database, &Fixed(1)).unwrap();
    let again = load_or_create_keys(&database, &Fixed(2)).unwrap();
    assert!(made.len() == 1 && again.len() == 1 && again[0].id == "k1");
    assert!(made[0].key.matches([1; 32]) && again[0].key.matches([1; 32]));

    let file = folder.path().join("tenon.db.keys");
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    std::fs::write(&file, "# nothing\n").unwrap();
    assert!(
        load_or_create_keys(&database, &Fixed(3))
            .unwrap_err()
            .to_string()
            .contains("backup")
    );
    std::fs::write(&file, "k1:hunter2\n").unwrap();
    let message = load_or_create_keys(&database, &Fixed(3))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("line 1") && !message.contains("hunter2"),
        "{message}"
    );
}
