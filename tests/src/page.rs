//! What a browser shows, as far as tests look at it: status, text and forms.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use url::Url;

/// The end of a chain of redirects.
#[derive(Debug, Clone)]
pub struct Page {
    pub url: Url,
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// A form with the values its fields have before anybody types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    /// Resolved against the page's URL.
    pub action: Url,
    pub post: bool,
    pub fields: Vec<(String, String)>,
}

impl Page {
    /// A header's value, empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        let header = self
            .headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        header.map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    /// The code of an error page (CONTRACT section 5).
    #[track_caller]
    pub fn tenon_error(&self) -> &str {
        assert!(
            (400..500).contains(&self.status),
            "{} {}",
            self.status,
            self.body
        );
        let code = self.header("tenon-error");
        assert!(
            self.body.contains(code),
            "the page does not show {code:?}: {}",
            self.body
        );
        code
    }

    /// A parameter of the URL's query.
    pub fn query(&self, name: &str) -> Option<String> {
        let mut pairs = self.url.query_pairs();
        pairs
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    /// A field that holds base64 of text: a SAML message on its way (SAML Bindings 3.5.4).
    #[track_caller]
    pub fn decoded(&self, field: &str) -> String {
        let form = self.form();
        let decoded = STANDARD.decode(form.value(field)).expect("base64");
        String::from_utf8(decoded).expect("UTF-8")
    }

    /// The first form of the page. The reading is simple on purpose: real pages of the peers and ours, no more.
    #[track_caller]
    pub fn form(&self) -> Form {
        let forms = elements(&self.body, "form");
        let Some((start, tag)) = forms.first() else {
            panic!("{} ({}) has no form: {}", self.url, self.status, self.body);
        };
        let rest = &self.body[*start..];
        let inside = &rest[..rest.find("</form").unwrap_or(rest.len())];
        let action = attribute(tag, "action").unwrap_or_default();
        let mut fields = Vec::new();
        for (_, input) in elements(inside, "input") {
            let kind = attribute(input, "type").unwrap_or_default().to_lowercase();
            let unchecked =
                matches!(kind.as_str(), "checkbox" | "radio") && !input.contains("checked");
            if kind == "submit" || unchecked {
                continue;
            }
            if let Some(name) = attribute(input, "name") {
                fields.push((name, attribute(input, "value").unwrap_or_default()));
            }
        }
        Form {
            // The action `?` of SimpleSAMLphp keeps the path, and the empty one the whole URL.
            action: if action.is_empty() {
                self.url.clone()
            } else {
                self.url.join(&action).expect("a URL")
            },
            post: attribute(tag, "method")
                .is_some_and(|method| method.eq_ignore_ascii_case("post")),
            fields,
        }
    }
}

impl Form {
    /// Types into a field, or adds one.
    pub fn fill(mut self, name: &str, value: &str) -> Self {
        match self.fields.iter_mut().find(|(key, _)| key == name) {
            Some(field) => field.1 = value.to_owned(),
            None => self.fields.push((name.to_owned(), value.to_owned())),
        }
        self
    }

    /// A field's value.
    #[track_caller]
    pub fn value(&self, name: &str) -> &str {
        match self.fields.iter().find(|(key, _)| key == name) {
            Some((_, value)) => value,
            None => panic!("no field {name} in {:?}", self.fields),
        }
    }
}

/// The start tags of this name, each with where it begins.
fn elements<'a>(html: &'a str, name: &str) -> Vec<(usize, &'a str)> {
    let opening = format!("<{name}");
    html.match_indices(&opening)
        .filter(|(at, _)| {
            html[at + opening.len()..]
                .starts_with(|next: char| next.is_ascii_whitespace() || matches!(next, '>' | '/'))
        })
        .map(|(at, _)| {
            (
                at,
                &html[at..html[at..].find('>').map_or(html.len(), |end| at + end + 1)],
            )
        })
        .collect()
}

/// An attribute's value in a start tag, quoted either way or not at all.
fn attribute(tag: &str, name: &str) -> Option<String> {
    let mut rest = tag;
    while let Some(at) = rest.find(name) {
        let before = rest[..at].chars().next_back();
        let after = rest[at + name.len()..].trim_start();
        rest = &rest[at + name.len()..];
        if !before
            .is_some_and(|before| before.is_ascii_whitespace() || matches!(before, '"' | '\''))
        {
            continue;
        }
        if let Some(value) = after.strip_prefix('=') {
            let value = value.trim_start();
            let raw = match value.chars().next()? {
                quote @ ('"' | '\'') => value[1..].split(quote).next()?,
                _ => value
                    .split(|end: char| end.is_ascii_whitespace() || end == '>')
                    .next()?,
            };
            return Some(unescape(raw));
        }
    }
    None
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let entity = rest.find(';').map(|end| (&rest[1..end], end));
        let character = entity.and_then(|(name, end)| {
            let character = match name {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                "quot" => '"',
                "apos" => '\'',
                _ => {
                    let number = name.strip_prefix('#')?;
                    let code = match number.strip_prefix(['x', 'X']) {
                        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                        None => number.parse().ok()?,
                    };
                    char::from_u32(code)?
                }
            };
            Some((character, end))
        });
        match character {
            Some((character, end)) => {
                plain.push(character);
                rest = &rest[end + 1..];
            }
            None => {
                plain.push('&');
                rest = &rest[1..];
            }
        }
    }
    plain + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(body: &str) -> Page {
        Page {
            url: Url::parse("http://localhost:1/a/b?c=d").unwrap(),
            status: 200,
            headers: Vec::new(),
            body: body.to_owned(),
        }
    }

    #[test]
    fn a_form_has_the_values_of_its_fields() {
        let form = page(
            r#"<p>not a <formula></p><form class=x action='/go?x=1&amp;y=2' METHOD="get" method="POST">
               <input name="a" value="1&#x2b;&quot;2"><input type=hidden value=v name=b>
               <input type="checkbox" name="c" value="on"><input type="submit" name="d">
               <input id="name" data-name="z" name="e"></form><input name="outside">"#,
        )
        .form();
        assert_eq!(form.action.as_str(), "http://localhost:1/go?x=1&y=2");
        assert!(form.post);
        let expected = [("a", "1+\"2"), ("b", "v"), ("e", "")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(form.fields, expected);
        assert_eq!(form.fill("e", "typed").value("e"), "typed");
    }

    #[test]
    fn an_action_that_is_missing_or_a_question_mark_leads_back() {
        assert_eq!(
            page("<form>").form().action.as_str(),
            "http://localhost:1/a/b?c=d"
        );
        assert_eq!(
            page("<form action='?'>").form().action.as_str(),
            "http://localhost:1/a/b?"
        );
    }
}
