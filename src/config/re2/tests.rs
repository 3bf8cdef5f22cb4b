use super::*;

fn matches(pattern: &str, text: &str) -> bool {
    compile(pattern).unwrap_or_else(|e| panic!("{pattern}: {e}")).is_match(text)
}

#[test]
fn what_go_accepts_means_the_same() {
    // Pattern, texts that match, texts that do not.
    let table: &[(&str, &[&str], &[&str])] = &[
        ("", &["", "x"], &[]),
        ("prod", &["prod", "preprod-1"], &["pro"]),
        ("^prod$", &["prod"], &["prod1", "prod\n"]),
        ("a.b", &["axb", "aéb"], &["a\nb"]),
        ("(?s)a.b", &["a\nb"], &["ab"]),
        ("(?m)^b$", &["a\nb"], &["ab"]),
        (r"a\z", &["ba"], &["a\n"]),
        // ASCII only.
        (r"^\d$", &["5"], &["\u{661}"]),
        (r"^\w$", &["_", "k"], &["é", "\u{212A}"]),
        (r"^\s$", &[" ", "\t"], &["\u{A0}", "\u{B}"]),
        (r"\bx\b", &["x", "éx", "xé"], &["ax", "x1"]),
        (r"^\Bé", &["é"], &["x"]),
        (r"^[\d_]$", &["7", "_"], &["\u{661}"]),
        (r"^[^\D]$", &["7"], &["x", "\u{661}"]),
        (r"(?i)^K$", &["k", "K", "\u{212A}"], &[]),
        // Braces and brackets that open or close nothing.
        ("^a{,5}]$", &["a{,5}]"], &["a"]),
        ("^a{$", &["a{"], &["a"]),
        ("^a{x}$", &["a{x}"], &["ax"]),
        ("^a{01}$", &["a{01}"], &["a"]),
        ("^}$", &["}"], &[""]),
        ("^a{2}$", &["aa"], &["a", "a{2}"]),
        ("^a{2,}?$", &["aaa"], &["a"]),
        // Classes neither nest nor have operations.
        ("^[[]$", &["["], &["]"]),
        ("^[a&&b]$", &["a", "b", "&"], &["a&&b"]),
        ("^[+--]$", &[",", "-"], &["."]),
        ("^[a~~b]$", &["~"], &["c"]),
        ("^[[a]]$", &["[]", "a]"], &["a", "["]),
        ("^[]a]$", &["]", "a"], &[""]),
        ("^[^]a]$", &["b", "\n"], &["]", "a"]),
        ("^[a-]$", &["a", "-"], &["b"]),
        (r"^[\d-z]$", &["1", "-", "z"], &["a"]),
        ("^[[:alpha:]]$", &["a"], &["1", "é"]),
        ("^[[:^alpha:]]$", &["1", "é"], &["a"]),
        ("^[[:foo]$", &["[", ":", "o"], &["a"]),
        (r"^[\x41-\x43]$", &["B"], &["D"]),
        // Quotations and escapes.
        (r"^\Qa*b\E$", &["a*b"], &["aab"]),
        (r"^\Qa*b", &["a*b!"], &["aab"]),
        (r"^\Qab\E*$", &["abbb"], &["abab"]),
        (r"^\12$", &["\n"], &["12"]),
        (r"^\x{e9}$", &["é"], &["e"]),
        (r"^\_\ \#$", &["_ #"], &["_#"]),
        (r"^\pL\p{Greek}\P{L}\p{^Lu}$", &["aα1a"], &["11aA"]),
        // Spaces and number signs are characters.
        ("^a #b$", &["a #b"], &["a", "ab"]),
        // Groups.
        ("^(?P<n>a)(?<m>b)(?:c)$", &["abc"], &["ab"]),
        ("^(?i)a(?-i)b$", &["Ab", "ab"], &["aB"]),
        ("^(?i:a)b$", &["Ab"], &["AB"]),
        ("^a(?i)*$", &["aaa", ""], &["b"]),
        ("^(|a)+$", &["", "aa"], &["b"]),
        ("(?U)a+?$", &["aa"], &["b"]),
        ("^(a{10}){100}$", &[], &["a"]),
    ];
    for (pattern, yes, no) in table {
        for text in *yes {
            assert!(matches(pattern, text), "{pattern} should match {text:?}");
        }
        for text in *no {
            assert!(!matches(pattern, text), "{pattern} should not match {text:?}");
        }
    }
}

#[test]
fn what_go_refuses_is_refused() {
    let table = [
        "a(",
        "a)",
        "(a",
        "[a",
        "[]",
        "[^]",
        "[z-a]",
        "[a--b]",
        r"[a-\d]",
        r"[\b]",
        "[[:foo:]]",
        "*a",
        "+",
        "?",
        "a|*",
        "(*a)",
        "a**",
        "a++",
        "a+*",
        "a*??",
        "a{2}{3}",
        "{2}",
        "a{1001}",
        "a{1,1001}",
        "a{3,2}",
        "a{99999999999}",
        "(a{100}){11}",
        "((a{2}){30}){30}",
        r"(a)\1",
        r"\8",
        r"\18",
        r"\C",
        r"\Z",
        r"\e",
        r"\G",
        r"\h",
        r"\é",
        r"\x4",
        r"\x{}",
        r"\x{110000}",
        r"\p",
        r"\p{Foo}",
        r"\p{L",
        r"\E",
        r"\",
        "(?=a)",
        "(?!a)",
        "(?<=a)",
        "(?<!a)",
        "(?>a)",
        "(?#a)",
        "(?x)a",
        "(?u)a",
        "(?-)",
        "(?i-)",
        "(?",
        "(?P=n)",
        "(?P<>a)",
        "(?P<a b>a)",
        "(?P<n>a)(?P<n>b)",
        "(?'n'a)",
    ];
    for pattern in table {
        assert!(compile(pattern).is_err(), "{pattern} should be refused");
    }
}

#[test]
fn sizes_are_bounded() {
    let deep = |n: usize| format!("{}{}", "(".repeat(n), ")".repeat(n));
    assert!(compile(&deep(900)).is_ok());
    assert_eq!(compile(&deep(1001)).unwrap_err(), Refused::TooDeep);
    assert_eq!(compile(&"a".repeat(MAX_PATTERN_BYTES + 1)).unwrap_err(), Refused::TooLong);
    assert!(matches!(compile(r"[\pL\pN]{1000}"), Err(Refused::Compile(_))));
}

proptest::proptest! {
    #[test]
    fn any_pattern_is_compiled_or_refused(pattern in r"[ab\\(){}\[\]*+?|^$.,0-9:&~iPQEdwpx<>=!-]{0,24}") {
        let _ = compile(&pattern);
    }

    #[test]
    fn a_quoted_text_matches_itself_only(text in "[^\\\\]{1,12}", other in "[^\\\\]{1,12}") {
        let pattern = format!(r"\A\Q{text}\E\z");
        proptest::prop_assert!(matches(&pattern, &text));
        proptest::prop_assert_eq!(matches(&pattern, &other), text == other);
    }
}
