//! Conditional requests (RFC 7644 section 3.14, RFC 9110 section 13.1).

/// The value of `If-Match` or `If-None-Match`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntityTags {
    /// `*`
    Any,
    /// The opaque parts, quotes and weakness removed.
    Tags(Vec<String>),
}

impl EntityTags {
    /// Reads the header. Tags are compared weakly: ours are weak, as they name a state and not its bytes.
    pub fn parse(header: &str) -> Self {
        if header.trim() == "*" {
            return Self::Any;
        }
        let opaque = |tag: &str| {
            let tag = tag.trim();
            let tag = tag
                .strip_prefix("W/")
                .or_else(|| tag.strip_prefix("w/"))
                .unwrap_or(tag);
            tag.trim_matches('"').to_owned()
        };
        Self::Tags(
            header
                .split(',')
                .map(opaque)
                .filter(|tag| !tag.is_empty())
                .collect(),
        )
    }

    /// Whether a resource of this version is among them.
    pub fn contain(&self, version: u64) -> bool {
        match self {
            Self::Any => true,
            Self::Tags(tags) => tags.iter().any(|tag| *tag == version.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_stars_and_weak_tags_are_understood() {
        assert!(EntityTags::parse(" * ").contain(3));
        assert!(EntityTags::parse("W/\"2\", \"3\"").contain(3));
        assert!(EntityTags::parse("W/\"3\"").contain(3));
        for header in ["W/\"33\"", "\"\"", "", "W/\"03\""] {
            assert!(!EntityTags::parse(header).contain(3), "{header}");
        }
    }
}
