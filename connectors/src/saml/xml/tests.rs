use super::*;

fn source(text: &str) -> Source {
    Source::new(text.as_bytes().to_vec()).unwrap()
}

fn error(text: &str) -> XmlError {
    match Source::new(text.as_bytes().to_vec()) {
        Ok(source) => Document::parse(&source).map(|_| ()).expect_err(text),
        Err(error) => error,
    }
}

#[test]
fn text_is_joined_over_comments_cdata_and_references() {
    let source = source("<a>one<!-- no -->&#32;<![CDATA[<two>]]>&amp;&#x1F701;</a>");
    let document = Document::parse(&source).unwrap();
    assert_eq!(document.root().text(), Some("one <two>&🜁"));
}

#[test]
fn text_beside_elements_is_no_value() {
    let source = source("<a>one<b>two</b>three</a>");
    let root = Document::parse(&source).unwrap();
    assert_eq!(root.root().text(), None);
    assert_eq!(root.root().deep_text(), "onetwothree");
    assert!(root.root().has_stray_text());
}

#[test]
fn line_ends_are_normalised_and_references_are_not() {
    let source = source("<a b='x\r\ny&#10;z&#13;\t'>1\r\n2\r3&#13;</a>");
    let document = Document::parse(&source).unwrap();
    assert_eq!(document.root().text(), Some("1\n2\n3\r"));
    assert_eq!(document.root().attribute("b"), Some("x y\nz\r "));
}

#[test]
fn names_are_resolved_in_scope() {
    let source = source(
        r#"<a xmlns="u:1" xmlns:p="u:2"><p:b p:c="d" c="e"/><b xmlns=""/><p:b xmlns:p="u:3"/></a>"#,
    );
    let document = Document::parse(&source).unwrap();
    let children: Vec<_> = document
        .root()
        .children()
        .map(|e| (e.namespace(), e.local_name()))
        .collect();
    assert_eq!(children, [("u:2", "b"), ("", "b"), ("u:3", "b")]);
    let first = document.root().only("u:2", "b").unwrap();
    assert_eq!(first.attribute("c"), Some("e"));
    assert_eq!(first.attribute_in("u:2", "c"), Some("d"));
    assert_eq!(first.parent(), Some(document.root()));
    assert_eq!(document.root().only("u:1", "b"), None);
}

#[test]
fn more_prefixes_than_anybody_needs_are_still_resolved() {
    let declared: String = (0..60).map(|n| format!(" xmlns:p{n}='u:{n}'")).collect();
    let used: String = (0..60).map(|n| format!("<p{n}:b/>")).collect();
    let source = source(&format!("<a{declared}>{used}</a>"));
    let document = Document::parse(&source).unwrap();
    for (n, child) in document.root().children().enumerate() {
        assert_eq!(child.namespace(), format!("u:{n}"));
    }
}

#[test]
fn a_fragment_sees_the_namespaces_of_its_place() {
    let source = source("<p:a><b/></p:a>");
    let context = [("p", "u:1"), ("", "u:2")];
    let document = Document::parse_fragment(&source, &context).unwrap();
    assert!(document.root().is("u:1", "a"));
    assert!(document.root().children().next().unwrap().is("u:2", "b"));
    let mut scope = document.root().namespaces_in_scope();
    scope.sort_unstable();
    assert_eq!(scope, [("", "u:2"), ("p", "u:1")]);
}

#[test]
fn a_doctype_is_told_apart() {
    for text in [
        "<!DOCTYPE a><a/>",
        "<!doctype a [<!ENTITY x 'y'>]><a/>",
        "<a><!DOCTYPE a></a>",
        "<!DOCTYPE a [",
    ] {
        assert_eq!(error(text), XmlError::Dtd, "{text}");
    }
}

#[test]
fn limits_hold_at_the_number_and_fail_one_past_it() {
    let nested = |levels: usize| format!("{}{}", "<a>".repeat(levels), "</a>".repeat(levels));
    let wide = |count: usize| {
        let list: String = (0..count).map(|n| format!(" a{n}=''")).collect();
        format!("<a{list}/>")
    };
    let declared = |count: usize| {
        let list: String = (0..count).map(|n| format!(" xmlns:a{n}='u:'")).collect();
        format!("<a{list}/>")
    };
    let many = |count: usize| format!("<a>{}</a>", "<b/>".repeat(count - 1));
    for (make, limit) in [
        (&nested as &dyn Fn(usize) -> String, MAX_DEPTH),
        (&wide, MAX_ATTRIBUTES),
        (&declared, MAX_DECLARATIONS),
        (&many, MAX_ELEMENTS),
    ] {
        let most = source(&make(limit));
        assert!(Document::parse(&most).is_ok(), "{limit}");
        assert!(
            matches!(error(&make(limit + 1)), XmlError::TooLarge(_)),
            "{limit}"
        );
    }
}

#[test]
fn an_error_names_its_line() {
    assert_eq!(
        error("<a>\n<b>\n</a>").to_string(),
        "line 3: an end tag that does not match"
    );
    assert_eq!(
        error("<a>\n\u{7}</a>").to_string(),
        "line 2: a character that XML does not allow"
    );
}

#[test]
fn declarations_of_xml_itself_are_read_strictly() {
    for good in [
        "<?xml version='1.0'?><a/>",
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><a/>",
        "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\" ?>\n<a/>",
    ] {
        assert!(Document::parse(&source(good)).is_ok(), "{good}");
    }
    for bad in [
        "<?xml?><a/>",
        "<?xml encoding=\"UTF-8\"?><a/>",
        "<?xml version=\"1.0\" encoding=\"UTF-16\"?><a/>",
        "<?xml version=\"1.0\" standalone=\"maybe\"?><a/>",
        "<?xml version=\"1.0\" standalone=\"no\" encoding=\"UTF-8\"?><a/>",
        " <?xml version=\"1.0\"?><a/>",
        "<?XML version=\"1.0\"?><a/>",
    ] {
        assert!(matches!(error(bad), XmlError::Malformed { .. }), "{bad}");
    }
}

#[test]
fn what_is_not_well_formed_is_refused() {
    for bad in [
        "",
        " ",
        "<",
        "<a",
        "<a>",
        "</a>",
        "<a/><b/>",
        "<a></b>",
        "<a/>x",
        "x<a/>",
        "<1/>",
        "<a:/>",
        "<:a/>",
        "<a b/>",
        "<a b=c/>",
        "<a b='c'd='e'/>",
        "<a b='c' b='d'/>",
        "<a b='<'/>",
        "<a b='&x;'/>",
        "<a b='&#x110000;'/>",
        "<a>&#xD800;</a>",
        "<a>&#;</a>",
        "<a>&#x;</a>",
        "<a>&amp</a>",
        "<a>]]></a>",
        "<a><![CDATA[</a>",
        "<![CDATA[x]]><a/>",
        "<a/>&#32;",
        "<a><?b?></a>",
        "<a><!-- -- --></a>",
        "<a xmlns:xml='u:'/>",
        "<a xmlns:b='http://www.w3.org/XML/1998/namespace'/>",
        "<a xmlns='http://www.w3.org/2000/xmlns/'/>",
        "<a xmlns:xmlns='u:'/>",
        "<a xmlns:b=''/>",
        "<a xmlns='relative'/>",
        "<b:a/>",
        "<a b:c=''/>",
        "<xmlns:a/>",
        "<a/ >",
        "<a / >",
        "< a/>",
        "<a></a b=''>",
        "<!ENTITY a 'b'><a/>",
        "<a ID='x'><b ID='x'/></a>",
        "<a Id='x' xml:id='x'/>",
    ] {
        assert!(matches!(error(bad), XmlError::Malformed { .. }), "{bad}");
    }
}

#[test]
fn the_root_can_be_peeked_at_without_parsing_the_rest() {
    let peek = |text: &str| peek_root_attribute(text, "InResponseTo");
    assert_eq!(
        peek("<?xml version='1.0'?><!-- x --><a b='1' InResponseTo='_r&amp;1'><b").as_deref(),
        Some("_r&1")
    );
    assert_eq!(peek("<a b='1'/>"), None);
    assert_eq!(peek("<!DOCTYPE a><a InResponseTo='_r'/>"), None);
    assert_eq!(peek("no XML"), None);
}
