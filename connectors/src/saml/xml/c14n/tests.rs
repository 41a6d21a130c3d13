use super::super::{Document, Element, Source};
use super::*;

const EXCLUSIVE: Method<'static> = Method::Exclusive { prefix_list: "" };

/// The canonical form of the element with this local name.
fn form(text: &str, local: &str, omitted: Option<&str>, method: &Method<'_>) -> String {
    let source = Source::new(text.as_bytes().to_vec()).unwrap();
    let document = Document::parse(&source).unwrap();
    let find = |local: &str| {
        let mut all: Vec<Element<'_>> = vec![document.root()];
        let mut at = 0;
        while at < all.len() {
            all.extend(all[at].children());
            at += 1;
        }
        all.into_iter()
            .find(|element| element.local_name() == local)
            .unwrap()
    };
    let mut out = Vec::new();
    canonicalize(find(local), omitted.map(find), method, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn attributes_and_declarations_are_sorted() {
    let text = r#"<a z='1' y:b='2' x:b='3' a='4' xmlns:y='u:1' xmlns:x='u:2' xmlns='u:3'></a>"#;
    assert_eq!(
        form(text, "a", None, &EXCLUSIVE),
        r#"<a xmlns="u:3" xmlns:x="u:2" xmlns:y="u:1" a="4" z="1" y:b="2" x:b="3"></a>"#
    );
}

#[test]
fn text_and_values_are_escaped_each_in_its_way() {
    let text =
        "<a b='&quot;&lt;&gt;&amp;&#9;&#10;&#13;'>&quot;&lt;&gt;&amp;&#9;&#13;<![CDATA[<]]></a>";
    assert_eq!(
        form(text, "a", None, &EXCLUSIVE),
        "<a b=\"&quot;&lt;>&amp;&#x9;&#xA;&#xD;\">\"&lt;&gt;&amp;\t&#xD;&lt;</a>"
    );
}

#[test]
fn exclusive_form_declares_what_is_used_where_it_is_used() {
    let text = r#"<r xmlns="u:0" xmlns:p="u:1" xmlns:q="u:2"><p:a><p:b q:x="1"/><b/><b xmlns=""/></p:a></r>"#;
    assert_eq!(
        form(text, "a", None, &EXCLUSIVE),
        r#"<p:a xmlns:p="u:1"><p:b xmlns:q="u:2" q:x="1"></p:b><b xmlns="u:0"></b><b></b></p:a>"#
    );
}

#[test]
fn an_undeclared_default_namespace_is_rendered_only_below_a_declared_one() {
    let text = r#"<a xmlns="u:0"><b xmlns=""><c/></b></a>"#;
    assert_eq!(
        form(text, "a", None, &EXCLUSIVE),
        r#"<a xmlns="u:0"><b xmlns=""><c></c></b></a>"#
    );
    assert_eq!(form(text, "b", None, &EXCLUSIVE), "<b><c></c></b>");
}

#[test]
fn a_prefix_list_keeps_unused_declarations() {
    let text = r#"<r xmlns="u:0" xmlns:p="u:1" xmlns:q="u:2"><p:a><p:b xmlns:q="u:3"/><p:c xmlns:q="u:2"/></p:a></r>"#;
    assert_eq!(
        form(
            text,
            "a",
            None,
            &Method::Exclusive {
                prefix_list: " q\n#default none"
            }
        ),
        r#"<p:a xmlns="u:0" xmlns:p="u:1" xmlns:q="u:2"><p:b xmlns:q="u:3"></p:b><p:c></p:c></p:a>"#
    );
}

#[test]
fn inclusive_form_takes_over_everything_in_scope() {
    let text = r#"<r xmlns="u:0" xmlns:p="u:1" xml:lang="de" xml:space="preserve"><m xmlns:q="u:2"><p:a xml:lang="en"><b xmlns:q="u:2"/></p:a></m></r>"#;
    assert_eq!(
        form(text, "a", None, &Method::Inclusive),
        r#"<p:a xmlns="u:0" xmlns:p="u:1" xmlns:q="u:2" xml:lang="en" xml:space="preserve"><b></b></p:a>"#
    );
    assert_eq!(
        form(text, "a", None, &EXCLUSIVE),
        r#"<p:a xmlns:p="u:1" xml:lang="en"><b xmlns="u:0"></b></p:a>"#
    );
}

#[test]
fn one_subtree_can_be_left_out_and_the_space_around_it_stays() {
    let text = "<a>\n <s><t/>x</s>\n <b/></a>";
    assert_eq!(
        form(text, "a", Some("s"), &EXCLUSIVE),
        "<a>\n \n <b></b></a>"
    );
}

#[test]
fn a_form_that_grows_without_measure_is_given_up() {
    let text = format!(
        "<a xmlns:p='u:{}'>{}</a>",
        "x".repeat(10_000),
        "<p:b/>".repeat(1_000)
    );
    let source = Source::new(text.into_bytes()).unwrap();
    let document = Document::parse(&source).unwrap();
    let mut out = Vec::new();
    assert_eq!(
        canonicalize(document.root(), None, &EXCLUSIVE, &mut out),
        Err(TooLong)
    );
    assert!(out.len() < 200_000);
}
