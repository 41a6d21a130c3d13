//! Looking for a domain's TXT record, and telling a person what went wrong (PORTAL P5).

use std::time::Duration;

use futures_util::future::join_all;

use crate::app::App;
use crate::egress::{DnsError, TxtAnswer};
use crate::model::{Domain, DomainCheck, DomainCheckResult, Timestamp, TxtRecord};

/// For all lookups of one look together.
const PATIENCE: Duration = Duration::from_secs(10);

/// Shown of what stands somewhere: a hostile name server may answer with a lot.
const MAX_VALUES: usize = 10;
const MAX_VALUE_CHARS: usize = 255;

/// What a look found.
#[derive(Debug, Clone)]
pub struct Look {
    pub check: DomainCheck,
    /// All values at the record's name, in plain form: those of another organization may be among them.
    values: Vec<String>,
}

impl Look {
    pub fn proven(&self) -> bool {
        self.check.result == DomainCheckResult::Found
    }

    /// Whether this value stands at the record's name.
    pub fn shows(&self, value: &str) -> bool {
        self.values.iter().any(|found| found == value)
    }
}

/// Looks for the record now.
///
/// # Errors
/// When no name server gives an answer, which says nothing about the record.
pub async fn look(app: &App, domain: &Domain) -> Result<Look, DnsError> {
    let record = &domain.txt_record;
    let looked = async {
        let here = app.dns.txt(&record.name).await?;
        if here.values.is_empty() {
            let elsewhere = elsewhere(&domain.domain, record);
            let lookups = elsewhere.iter().map(|name| app.dns.txt(name));
            // A name server that fails for these says nothing that matters.
            let answers = join_all(lookups).await;
            let found = elsewhere
                .into_iter()
                .zip(answers)
                .filter_map(|(name, answer)| Some((name, answer.ok()?)));
            Ok((here, found.collect()))
        } else {
            Ok((here, Vec::new()))
        }
    };
    let (here, elsewhere) = match tokio::time::timeout(PATIENCE, looked).await {
        Ok(answer) => answer?,
        Err(_) => {
            return Err(DnsError::Unavailable {
                name: record.name.clone(),
                reason: format!("no answer within {} s", PATIENCE.as_secs()),
            });
        }
    };
    let values: Vec<String> = here.values.iter().map(|value| plain(value)).collect();
    let found = Found { here, elsewhere };
    let check = diagnose(&domain.domain, record, &found, app.clock.now().into());
    Ok(Look { check, values })
}

/// A look that got no answer.
pub(super) fn unanswered(domain: &Domain, error: &DnsError, now: Timestamp) -> DomainCheck {
    DomainCheck {
        checked_at: now,
        result: DomainCheckResult::Unavailable,
        name: domain.txt_record.name.clone(),
        found: Vec::new(),
        message: format!("{error}. This says nothing about the record: it is looked for again."),
        unanswered_since: Some(now),
    }
}

/// Names at which the record ends up by mistake: the DNS host appended its zone to a name that had it already,
/// the host part was left out, or it was written for the zone instead of the domain below it.
fn elsewhere(domain: &str, record: &TxtRecord) -> Vec<String> {
    let label = record.name.strip_suffix(domain).unwrap_or_default();
    let mut names = vec![domain.to_owned()];
    let mut zone = domain;
    // A zone is not a public suffix, and few are deep.
    while names.len() < 8 && addr::parse_domain_name(zone).is_ok_and(|name| name.root().is_some()) {
        names.push(format!("{}.{zone}", record.name));
        if zone != domain {
            names.push(format!("{label}{zone}"));
        }
        match zone.split_once('.') {
            Some((_, parent)) => zone = parent,
            None => break,
        }
    }
    names
}

struct Found {
    here: TxtAnswer,
    /// At [`elsewhere`]'s names, the domain itself first.
    elsewhere: Vec<(String, TxtAnswer)>,
}

/// Consoles put quotes and spaces around what is pasted.
fn plain(value: &str) -> String {
    value.trim_matches([' ', '\t', '"', '\'']).to_owned()
}

fn diagnose(domain: &str, record: &TxtRecord, found: &Found, now: Timestamp) -> DomainCheck {
    let is_right = |value: &String| plain(value) == record.value;
    let check = |result, name: &str, values: &[String], message: String| DomainCheck {
        checked_at: now,
        result,
        name: name.to_owned(),
        found: values
            .iter()
            .take(MAX_VALUES)
            .map(|value| value.chars().take(MAX_VALUE_CHARS).collect())
            .collect(),
        message,
        unanswered_since: None,
    };
    let here = &found.here.values;
    if here.iter().any(is_right) {
        let message = "The record is there.".to_owned();
        return check(DomainCheckResult::Found, &record.name, here, message);
    }
    if !here.is_empty() {
        let message = format!(
            "At {} there is {}, not the value of this domain. Copy the value again; other values may stay beside it.",
            record.name,
            if here.len() == 1 {
                "another value"
            } else {
                "more than one value"
            },
        );
        return check(DomainCheckResult::OtherValue, &record.name, here, message);
    }
    let misplaced = found
        .elsewhere
        .iter()
        .find(|(_, answer)| answer.values.iter().any(is_right));
    if let Some((name, answer)) = misplaced {
        let right: Vec<String> = answer
            .values
            .iter()
            .filter(|it| is_right(it))
            .cloned()
            .collect();
        let message = misplaced_at(domain, record, name);
        return check(DomainCheckResult::Misplaced, name, &right, message);
    }
    let domain_missing = found
        .elsewhere
        .first()
        .is_some_and(|(_, answer)| !answer.name_exists);
    if !found.here.name_exists && domain_missing {
        let message = format!(
            "{domain} is not in DNS. Check the spelling; a domain that is new or was moved takes a while."
        );
        return check(DomainCheckResult::NoSuchDomain, domain, &[], message);
    }
    let message = match &found.here.alias {
        Some(target) => format!(
            "{} is an alias (CNAME) of {target}, where there is no TXT record. Replace the alias by the TXT record.",
            record.name
        ),
        None => format!(
            "There is no TXT record at {} yet. A new record takes minutes to be seen, sometimes hours.",
            record.name
        ),
    };
    check(DomainCheckResult::NoRecord, &record.name, &[], message)
}

fn misplaced_at(domain: &str, record: &TxtRecord, name: &str) -> String {
    let remedy = match name.strip_prefix(&format!("{}.", record.name)) {
        Some(zone) => {
            let host = record.name.strip_suffix(zone).unwrap_or(&record.name);
            format!(
                "your DNS host appends the domain by itself, so enter only {} as the host",
                host.trim_end_matches('.')
            )
        }
        None if name == domain => "move it to the host _tenon-challenge".to_owned(),
        None => format!("it has to be at {}", record.name),
    };
    format!("The right value is at {name}: {remedy}.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> TxtRecord {
        crate::store::domains::txt_record("eu.acme.example", "secret")
    }

    fn answer(values: &[&str]) -> TxtAnswer {
        TxtAnswer {
            values: values.iter().map(ToString::to_string).collect(),
            alias: None,
            name_exists: !values.is_empty(),
        }
    }

    fn diagnosis(here: TxtAnswer, elsewhere: &[(&str, TxtAnswer)]) -> (DomainCheckResult, String) {
        let elsewhere = elsewhere.iter().cloned();
        let found = Found {
            here,
            elsewhere: elsewhere.map(|(name, it)| (name.to_owned(), it)).collect(),
        };
        let now = Timestamp(chrono::DateTime::UNIX_EPOCH);
        let check = diagnose("eu.acme.example", &record(), &found, now);
        (check.result, check.message)
    }

    #[test]
    fn the_record_is_looked_for_where_it_ends_up_by_mistake() {
        insta::assert_debug_snapshot!(elsewhere("eu.acme.example", &record()), @r#"
        [
            "eu.acme.example",
            "_tenon-challenge.eu.acme.example.eu.acme.example",
            "_tenon-challenge.eu.acme.example.acme.example",
            "_tenon-challenge.acme.example",
        ]
        "#);
        let deep = format!("{}acme.example", "a.".repeat(100));
        assert!(elsewhere(&deep, &crate::store::domains::txt_record(&deep, "x")).len() <= 9);
    }

    #[test]
    fn every_finding_says_what_to_do() {
        use DomainCheckResult::{Found, Misplaced, NoRecord, NoSuchDomain, OtherValue};
        let right = "tenon-verification=secret";
        let nothing = || answer(&[]);
        let exists = || TxtAnswer {
            name_exists: true,
            ..answer(&[])
        };
        for (here, elsewhere, result, says) in [
            (
                answer(&["v=spf1", right]),
                vec![],
                Found,
                "The record is there",
            ),
            (
                answer(&["\"tenon-verification=secret\" "]),
                vec![],
                Found,
                "The record is there",
            ),
            (
                answer(&["tenon-verification=Secret"]),
                vec![],
                OtherValue,
                "another value",
            ),
            (
                answer(&["a", "b"]),
                vec![],
                OtherValue,
                "more than one value",
            ),
            (
                nothing(),
                vec![("eu.acme.example", nothing())],
                NoSuchDomain,
                "not in DNS",
            ),
            (
                nothing(),
                vec![("eu.acme.example", exists())],
                NoRecord,
                "no TXT record",
            ),
            (
                nothing(),
                vec![("eu.acme.example", answer(&["v=spf1", right]))],
                Misplaced,
                "move it to the host _tenon-challenge",
            ),
            (
                nothing(),
                vec![(
                    "_tenon-challenge.eu.acme.example.acme.example",
                    answer(&[right]),
                )],
                Misplaced,
                "enter only _tenon-challenge.eu as the host",
            ),
            (
                nothing(),
                vec![("_tenon-challenge.acme.example", answer(&[right]))],
                Misplaced,
                "it has to be at _tenon-challenge.eu.acme.example",
            ),
            (
                TxtAnswer {
                    alias: Some("parked.host.example".to_owned()),
                    ..exists()
                },
                vec![("eu.acme.example", exists())],
                NoRecord,
                "is an alias (CNAME) of parked.host.example",
            ),
        ] {
            let (found, message) = diagnosis(here, &elsewhere);
            assert_eq!(found, result, "{message}");
            assert!(message.contains(says), "{message}");
        }
    }
}
