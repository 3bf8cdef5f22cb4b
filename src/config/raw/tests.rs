use super::*;

fn tree(text: &str) -> Result<Node, Diagnostic> {
    read(&decode(text.as_bytes())?, None, &mut Vec::new()).map(|root| root.unwrap_or_else(Node::empty))
}

fn refused(text: &str) -> Diagnostic {
    tree(text).map(|_| ()).expect_err(text)
}

/// The tree as one line: scalars with their places, in JSON's brackets.
fn shown(node: &Node) -> String {
    let list = |items: Vec<String>| items.join(" ");
    let alias = if node.is_alias { "*" } else { "" };
    match &*node.value {
        Value::Scalar(s) => format!("{alias}{}@{}:{}", s.text, node.spot.line, node.spot.column),
        Value::Sequence(items) => format!("{alias}[{}]", list(items.iter().map(shown).collect())),
        Value::Mapping(entries) => {
            format!("{alias}{{{}}}", list(entries.iter().map(|(k, v)| format!("{}={}", shown(k), shown(v))).collect()))
        }
    }
}

#[test]
fn places_are_lines_and_columns_from_one() {
    let text = "a: 1\né: [x, 'y',\n  {b: c}]\n";
    assert_eq!(shown(&tree(text).unwrap()), "{a@1:1=1@1:4 é@2:1=[x@2:5 y@2:8 {b@3:4=c@3:7}]}");
}

#[test]
fn aliases_are_followed_and_know_it() {
    let text = "a: &x {k: v}\nb: *x\n<<: [*x]\n";
    assert_eq!(shown(&tree(text).unwrap()), "{a@1:1={k@1:8=v@1:11} b@2:1=*{k@1:8=v@1:11} <<@3:1=[*{k@1:8=v@1:11}]}");
    assert!(refused("a: *nope").message.contains("nope"));
    assert!(refused("a: &self [*self]").message.contains("contains itself"));
}

#[test]
fn only_the_first_document_counts() {
    assert_eq!(shown(&tree("# c\n---\na: b\n---\nc: [\n").unwrap()), "{a@3:1=b@3:4}");
    assert_eq!(shown(&tree("a: b\n...\n%%%\n").unwrap()), "{a@1:1=b@1:4}");
    assert_eq!(shown(&tree("").unwrap()), "@1:1");
    assert_eq!(shown(&tree("# only a comment").unwrap()), "@1:1");
}

#[test]
fn marks_line_breaks_and_encodings() {
    let plain = shown(&tree("a: b\nc: d\n").unwrap());
    for text in ["\u{FEFF}a: b\nc: d\n", "a: b\r\nc: d\r\n", "\u{FEFF}a: b\r\nc: d", "a: b\rc: d\r"] {
        assert_eq!(shown(&tree(text).unwrap()), plain, "{text:?}");
    }
    let units = "\u{FEFF}a: b\nc: d\n".encode_utf16();
    let little: Vec<u8> = units.clone().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = units.flat_map(u16::to_be_bytes).collect();
    for bytes in [&little, &big] {
        assert_eq!(decode(bytes).unwrap(), "a: b\nc: d\n");
    }
    assert!(decode(&little[..5]).is_err());
    let e = decode(b"a: b\nc: \xC3\xA9\xFF").unwrap_err();
    assert_eq!((e.line, e.column), (2, 5));
    let e = decode(b"a: b\nc: \x07").unwrap_err();
    assert_eq!((e.line, e.column), (2, 4));
    assert!(e.message.contains("U+0007"));
}

#[test]
fn tabs_indent_nothing() {
    for (text, line) in
        [("a: 1\n\tb: 2\n", 2), ("a:\n \tb: 2\n", 2), ("a:\n\t- 1\n", 2), ("a: 1\n\t\nb: 2\n", 2), ("a: 1\n\t# c\n", 2)]
    {
        let e = refused(text);
        assert!(e.message.contains("tab") && e.line == line, "{text:?}: {e:?}");
    }
    for text in [
        "a:\tb",
        "- a:\tb\n  c:\t\td\n",
        "{a:\tb, c:\td}",
        "a: [\n\tx,\n\ty]\n",
        "a: |\n  x\n  \ty\n",
        "a: \"x\n\ty\"\n",
        "a: b\t# c\n",
        "a: b\n---\n\tc: d",
        "a: {x: 1,\n\t y: 2\n}\n",
    ] {
        assert!(tree(text).is_ok(), "{text:?}");
    }
}

#[test]
fn brackets_and_quotes_need_no_indentation() {
    let text = "a:\n    b: [x,\n  y,\nz\n]\n    c: \"q\nr\"\n";
    assert_eq!(shown(&tree(text).unwrap()), "{a@1:1={b@2:5=[x@2:9 y@3:3 z@4:1] c@6:5=q r@6:8}}");
    // The place of an error is that of the file, not of what the parser was given.
    let e = refused("a:\n    b: [x,\n  *nope]\n");
    assert_eq!((e.line, e.column), (3, 3));
}

#[test]
fn directives_are_those_of_yaml_1_1() {
    assert!(check_directives("# c\n\n%YAML 1.1\n---\na: b").is_ok());
    assert!(check_directives("a: b\n%YAML 1.2\n").is_ok());
    for text in ["%YAML 1.2\n---\n", "# c\n%YAML 1.3\n---\n", "%FOO\n---\n"] {
        assert!(check_directives(text).is_err(), "{text:?}");
    }
}

#[test]
fn what_yaml_forbids() {
    for text in ["a: 'b", "a: [b", "a: b: c", "a: {b\nc: d}", "a: |x", "[|x]", "a: @b", "- a\nb: c", "a: \"\\q\""] {
        assert!(refused(text).line > 0, "{text:?}");
    }
}

#[test]
fn everything_is_bounded() {
    let e = decode(&vec![b'#'; MAX_FILE_BYTES + 1]).unwrap_err();
    assert!(e.message.contains("MiB"));
    assert!(decode(&vec![b'#'; MAX_FILE_BYTES]).is_ok());
    let deep = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    assert!(tree(&deep(MAX_DEPTH)).is_ok());
    assert!(refused(&deep(MAX_DEPTH + 1)).message.contains("deep"));
    assert!(refused(&"[".repeat(1 << 20)).message.contains("deep"));
    assert!(refused(&"- ".repeat(1 << 19)).message.contains("deep"));
    // Aliases deepen, too.
    let chain: Vec<_> = (1..200).map(|n| format!("k{n}: &a{n} [*a{} ]\n", n - 1)).collect();
    assert!(refused(&format!("k0: &a0 [x]\n{}", chain.concat())).message.contains("deep"));
}
