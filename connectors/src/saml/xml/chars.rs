//! The character classes of XML 1.0 (fifth edition) and Namespaces 1.0.

pub(in crate::saml) fn is_xml_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// Trims XML white space and nothing else: a no-break space is part of the value.
pub(in crate::saml) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\n', '\r'])
}

/// Production 2, `Char`.
pub(super) fn is_char(c: char) -> bool {
    !matches!(c, '\0'..='\x08' | '\x0b' | '\x0c' | '\x0e'..='\x1f' | '\u{fffe}' | '\u{ffff}')
}

/// Where the first character stands that no XML document may hold, escaped or not.
pub(super) fn first_forbidden(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    // Nearly every text has none: say so in a loop without branches, which the compiler vectorises.
    let suspicious =
        |&b: &u8| (b < 0x20) & (b != b'\t') & (b != b'\n') & (b != b'\r') | (b == 0xef);
    if !bytes
        .chunks(64)
        .any(|chunk| chunk.iter().fold(false, |any, b| any | suspicious(b)))
    {
        return None;
    }
    // U+FFFE and U+FFFF are EF BF BE and EF BF BF.
    bytes.iter().enumerate().position(|(at, b)| {
        suspicious(b)
            && (*b != 0xef || (bytes[at + 1] == 0xbf && matches!(bytes[at + 2], 0xbe | 0xbf)))
    })
}

/// `NCName` of Namespaces 1.0: a name without a colon.
pub(in crate::saml) fn is_ncname(name: &str) -> bool {
    let mut bytes = name.bytes();
    let starts = |b: u8| b.is_ascii_alphabetic() || b == b'_';
    match bytes.next() {
        Some(first) if starts(first) => {}
        Some(first) if !first.is_ascii() => return is_unicode_ncname(name),
        _ => return false,
    }
    for b in bytes {
        if !(b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.')) {
            return !b.is_ascii() && is_unicode_ncname(name);
        }
    }
    true
}

fn is_unicode_ncname(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(is_name_start) && chars.all(is_name_char)
}

/// Production 4, `NameStartChar`, without the colon.
fn is_name_start(c: char) -> bool {
    matches!(c,
        'A'..='Z' | '_' | 'a'..='z' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}'
        | '\u{370}'..='\u{37d}' | '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}'
        | '\u{2070}'..='\u{218f}' | '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}'
        | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{fffd}' | '\u{10000}'..='\u{effff}')
}

/// Production 4a, `NameChar`, without the colon.
fn is_name_char(c: char) -> bool {
    is_name_start(c)
        || matches!(c,
            '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}

/// What `&name;` stands for: the five predefined entities and character references (4.1, 4.6).
pub(super) fn resolve_reference(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let digits = name.strip_prefix('#')?;
            let (digits, radix) = match digits.strip_prefix('x') {
                Some(hexadecimal) => (hexadecimal, 16),
                None => (digits, 10),
            };
            // `from_str_radix` takes a sign, XML does not.
            if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                return None;
            }
            char::from_u32(u32::from_str_radix(digits, radix).ok()?).filter(|&c| is_char(c))
        }
    }
}
