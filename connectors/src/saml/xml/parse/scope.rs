//! Which namespace each prefix is bound to, at the place that the parser has come to (Namespaces 1.0).

use std::borrow::Cow;
use std::collections::HashMap;

use super::super::{
    Declaration, NO_NAMESPACE, NO_PREFIX, NamespaceId, PrefixId, XML_NAMESPACE, XMLNS_NAMESPACE,
};

/// Up to this many prefixes are searched one by one; more, which no IdP sends, go through a map so that
/// the time stays linear.
const FEW_PREFIXES: usize = 16;

pub(super) struct Scope<'t> {
    /// By `PrefixId`.
    pub(super) prefixes: Vec<&'t str>,
    /// By `NamespaceId`.
    pub(super) namespaces: Vec<Cow<'t, str>>,
    /// All of the document, in its order.
    pub(super) declarations: Vec<Declaration>,
    /// The namespace bound to each prefix at this place, by `PrefixId`.
    bound: Vec<Option<NamespaceId>>,
    /// What the open elements' declarations replaced.
    replaced: Vec<(PrefixId, Option<NamespaceId>)>,
    many_prefixes: HashMap<&'t str, PrefixId>,
}

impl<'t> Scope<'t> {
    /// `context` are the declarations around a fragment, prefix and namespace.
    pub(super) fn new(context: &[(&'t str, &'t str)]) -> Self {
        let mut scope = Self {
            prefixes: vec!["", "xml"],
            namespaces: vec![Cow::Borrowed(""), Cow::Borrowed(XML_NAMESPACE)],
            declarations: Vec::new(),
            bound: vec![Some(NO_NAMESPACE), Some(NamespaceId(1))],
            replaced: Vec::new(),
            many_prefixes: HashMap::new(),
        };
        for &(prefix, namespace) in context {
            scope.bind(prefix, Cow::Borrowed(namespace));
        }
        scope.replaced.clear();
        scope
    }

    /// A declaration of the element at hand.
    pub(super) fn declare(
        &mut self,
        prefix: &'t str,
        namespace: Cow<'t, str>,
    ) -> Result<(), &'static str> {
        check(prefix, &namespace)?;
        self.bind(prefix, namespace);
        Ok(())
    }

    fn bind(&mut self, prefix: &'t str, namespace: Cow<'t, str>) {
        let prefix = match self.find_prefix(prefix) {
            Some(known) => known,
            None => self.add_prefix(prefix),
        };
        let namespace = if namespace.is_empty() {
            NO_NAMESPACE
        } else {
            self.namespaces.push(namespace);
            NamespaceId(self.namespaces.len() as u32 - 1)
        };
        let bound = &mut self.bound[prefix.0 as usize];
        self.replaced.push((prefix, bound.replace(namespace)));
        self.declarations.push(Declaration { prefix, namespace });
    }

    pub(super) fn resolve(&self, prefix: &str) -> Result<(PrefixId, NamespaceId), &'static str> {
        let id = if prefix.is_empty() {
            Some(NO_PREFIX)
        } else {
            self.find_prefix(prefix)
        };
        id.and_then(|id| Some((id, self.bound[id.0 as usize]?)))
            .ok_or("a namespace prefix that is not declared")
    }

    /// The place to come back to when the element that begins here has ended.
    pub(super) fn mark(&self) -> usize {
        self.replaced.len()
    }

    pub(super) fn restore(&mut self, mark: usize) {
        while self.replaced.len() > mark {
            if let Some((prefix, before)) = self.replaced.pop() {
                self.bound[prefix.0 as usize] = before;
            }
        }
    }

    /// Two declarations of one prefix, from index `from` on, which are one element's.
    pub(super) fn refuse_duplicates(&self, from: usize) -> Result<(), &'static str> {
        let own = &self.declarations[from..];
        let doubled = own
            .iter()
            .enumerate()
            .any(|(at, a)| own[..at].iter().any(|b| a.prefix == b.prefix));
        if doubled {
            Err("a namespace prefix is declared twice")
        } else {
            Ok(())
        }
    }

    pub(super) fn namespace(&self, id: NamespaceId) -> &str {
        &self.namespaces[id.0 as usize]
    }

    fn find_prefix(&self, prefix: &str) -> Option<PrefixId> {
        let known = &self.prefixes;
        if known.len() > FEW_PREFIXES {
            return self.many_prefixes.get(prefix).copied();
        }
        known
            .iter()
            .position(|&p| p == prefix)
            .map(|at| PrefixId(at as u32))
    }

    fn add_prefix(&mut self, prefix: &'t str) -> PrefixId {
        let id = PrefixId(self.prefixes.len() as u32);
        self.prefixes.push(prefix);
        self.bound.push(None);
        if self.prefixes.len() == FEW_PREFIXES + 1 {
            let known = self.prefixes.iter().zip(0..);
            self.many_prefixes = known.map(|(&p, at)| (p, PrefixId(at))).collect();
        } else if self.prefixes.len() > FEW_PREFIXES {
            self.many_prefixes.insert(prefix, id);
        }
        id
    }
}

/// Namespaces 1.0, section 3, and no relative names: canonical XML has no form for them, and an engine
/// that skips what it cannot canonicalise digests nothing (CVE-2025-66568).
fn check(prefix: &str, namespace: &str) -> Result<(), &'static str> {
    if prefix == "xmlns" || namespace == XMLNS_NAMESPACE {
        return Err("the prefix xmlns is declared");
    }
    if (prefix == "xml") != (namespace == XML_NAMESPACE) {
        return Err("the prefix xml is misused");
    }
    if namespace.is_empty() {
        return if prefix.is_empty() {
            Ok(())
        } else {
            Err("a prefix without namespace")
        };
    }
    let scheme = namespace.split(':').next().unwrap_or_default();
    let is_scheme = scheme.len() < namespace.len()
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    if is_scheme {
        Ok(())
    } else {
        Err("a namespace name that is not absolute")
    }
}
