//! What real identity providers send (SAML.md section 2), rebuilt from public documentation and recorded
//! responses: namespaces, order, signatures, formats and lifetimes as theirs, names and keys ours.

mod generic;
mod vendors;

use crate::Fixture;
use crate::message::{IDP, NOW, REQUEST, metadata};
use crate::tools;

pub(crate) fn all() -> Vec<Fixture> {
    vendors::all()
        .into_iter()
        .chain(generic::all())
        .map(Shape::fixture)
        .collect()
}

/// One accepted response.
struct Shape {
    folder: &'static str,
    about: &'static str,
    xml: String,
    idp: &'static str,
    keys: Vec<&'static str>,
    pending: bool,
    identity: &'static str,
    /// Further lines of case.toml, before the tables.
    extra: &'static str,
    settings: &'static str,
}

impl Shape {
    fn new(folder: &'static str, about: &'static str, xml: String, identity: &'static str) -> Self {
        Self {
            folder,
            about,
            xml,
            idp: IDP,
            keys: vec!["idp"],
            pending: true,
            identity,
            extra: "",
            settings: "",
        }
    }

    fn fixture(self) -> Fixture {
        let pending = if self.pending {
            format!("in_response_to = \"{REQUEST}\"\n")
        } else {
            String::new()
        };
        // A vendor's shapes are read with the vendor's file, which folders are named after.
        let vendor = self.folder.split('-').next().unwrap_or_default();
        let provider = match connectors::provider::find(Some(vendor)).id == vendor {
            true if vendor != "generic" => format!("provider = \"{vendor}\"\n"),
            _ => String::new(),
        };
        let settings = match (provider + self.settings.trim()).trim() {
            "" => String::new(),
            settings => format!("\n[settings]\n{settings}\n"),
        };
        Fixture {
            folder: self.folder.to_owned(),
            case: format!(
                "about = {:?}\nnow = \"{NOW}\"\n{pending}{}\n[identity]\n{}\n{settings}",
                self.about,
                self.extra,
                self.identity.trim()
            ),
            metadata: metadata(self.idp, &self.keys),
            response: Some(self.xml.into_bytes()),
        }
    }
}

/// A Signature in an IdP's own style.
struct Style {
    /// With its colon; empty for the default namespace.
    prefix: &'static str,
    method: &'static str,
    digest: &'static str,
    prefix_list: Option<&'static str>,
    /// Between the elements of SignedInfo.
    space: &'static str,
    key_info: String,
    id: &'static str,
}

impl Style {
    fn ds() -> Self {
        Self {
            prefix: "ds:",
            method: "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
            digest: "http://www.w3.org/2001/04/xmlenc#sha256",
            prefix_list: None,
            space: "",
            key_info: tools::certificate("idp"),
            id: "",
        }
    }

    fn default_namespace() -> Self {
        Self {
            prefix: "",
            ..Self::ds()
        }
    }

    fn template(&self, id: &str) -> String {
        let (p, s) = (self.prefix, self.space);
        let declared = if p.is_empty() {
            "xmlns".to_owned()
        } else {
            format!("xmlns:{}", &p[..p.len() - 1])
        };
        let inclusive = match self.prefix_list {
            Some(list) => format!(
                r#"<{p}Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"><ec:InclusiveNamespaces xmlns:ec="http://www.w3.org/2001/10/xml-exc-c14n#" PrefixList="{list}"/></{p}Transform>"#
            ),
            None => {
                format!(r#"<{p}Transform Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>"#)
            }
        };
        // Either a bare certificate or KeyInfo's whole content.
        let key_info = if self.key_info.starts_with('<') {
            self.key_info.clone()
        } else {
            format!(
                "<{p}X509Data><{p}X509Certificate>{}</{p}X509Certificate></{p}X509Data>",
                self.key_info
            )
        };
        format!(
            r##"<{p}Signature {declared}="http://www.w3.org/2000/09/xmldsig#"{}>{s}<{p}SignedInfo>{s}<{p}CanonicalizationMethod Algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"/>{s}<{p}SignatureMethod Algorithm="{}"/>{s}<{p}Reference URI="#{id}">{s}<{p}Transforms>{s}<{p}Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/>{s}{inclusive}{s}</{p}Transforms>{s}<{p}DigestMethod Algorithm="{}"/>{s}<{p}DigestValue></{p}DigestValue>{s}</{p}Reference>{s}</{p}SignedInfo>{s}<{p}SignatureValue></{p}SignatureValue>{s}<{p}KeyInfo>{key_info}</{p}KeyInfo>{s}</{p}Signature>"##,
            self.id, self.method, self.digest
        )
    }

    /// Signs at a mark.
    fn sign(&self, xml: &str, mark: &str, element: &str, id: &str) -> String {
        tools::sign(&xml.replace(mark, &self.template(id)), element, id, "idp")
    }
}
