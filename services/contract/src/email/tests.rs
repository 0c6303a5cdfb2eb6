//! What is an address, what is none, and why.

use proptest::prelude::*;

use super::*;

fn stored(text: &str) -> String {
    Email::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}")).as_str().to_owned()
}

fn refused(text: &str) -> String {
    Email::parse(text).expect_err(text).to_string()
}

#[test]
fn what_a_browsers_email_field_takes_is_an_address() {
    for accepted in [
        "ada@example.com",
        "a.b+c@sub.example.co",
        "o'hara@example.com",
        "a@b",
        "abc..def@docomo.ne.jp",
        ".a.@b.example",
        "!#$%&'*+/=?^_`{|}~-.@127.0.0.1",
        "Ada@EXAMPLE.com",
        "a@ab--cd.xn--0.example",
    ] {
        assert_eq!(stored(accepted), accepted);
        assert!(Email::parse(accepted).unwrap().is_ascii());
    }
    stored(&format!("{}@{}.example", "a".repeat(64), "b".repeat(63)));
}

#[test]
fn a_quoted_local_part_holds_what_is_visible() {
    for accepted in ["\"a@b\"@example.com", "\"a\\\"b\\\\\"@b.example", "\"a..(),;:<>[]\"@b.example", "\"é\"@b.example"]
    {
        assert_eq!(stored(accepted), accepted);
    }
}

#[test]
fn every_script_is_taken_and_a_domain_becomes_its_a_labels() {
    for (given, expected, ascii) in [
        ("ada@exämple.com", "ada@xn--exmple-cua.com", true),
        ("ada@BÜCHER.example", "ada@xn--bcher-kva.example", true),
        ("ada@例え。テスト", "ada@xn--r8jz45g.xn--zckzah", true),
        ("ada@straße.example", "ada@xn--strae-oqa.example", true),
        ("ada@ｅｘａｍｐｌｅ.com", "ada@example.com", true),
        ("ádá@example.com", "ádá@example.com", false),
        ("用户@例子.广告", "用户@xn--fsqu00a.xn--4rr70v", false),
        ("अजय@डाटा.भारत", "अजय@xn--c2bd1gb.xn--h2brj9c", false),
        ("ا.ب@مثال.إختبار", "ا.ب@xn--mgbh0fb.xn--kgbechtv", false),
    ] {
        let email = Email::parse(given).unwrap();
        assert_eq!((email.as_str(), email.is_ascii()), (expected, ascii));
        assert_eq!(stored(expected), expected, "as it is read again from an event");
    }
}

#[test]
fn what_is_refused_is_told_by_its_character_or_its_rule() {
    let long_label = format!("ada@{}.com", "b".repeat(64));
    let long_name = format!("{}@b.example", "a".repeat(65));
    let long_beyond_ascii = format!("{}@b.example", "é".repeat(33));
    let long = format!("ada@{}.com", ["a"; 130].join("."));
    let grows = format!("ada@{}", ["ü"; 50].join("."));
    for (text, rule) in [
        ("", "no @"),
        ("ada", "no @"),
        ("@", "nothing before the @"),
        ("@example.com", "nothing before the @"),
        ("ada@", "nothing after the @"),
        ("ada@@example.com", "\"@\" is not allowed before the @"),
        ("a,b@example.com", "\",\" is not allowed before the @"),
        ("<ada@example.com>", "\"<\" is not allowed before the @"),
        ("ada @example.com", "\" \" is not allowed before the @"),
        (" ada@example.com", "\" \" is not allowed before the @"),
        ("ada@example.com ", "\" \" is not allowed after the @"),
        ("ada@example.com\r\nBcc: eve@example.com", "\"@\" is not allowed before the @"),
        ("ada\r\n@example.com", "\"\\r\" is not allowed before the @"),
        ("ada@example.com\n", "\"\\n\" is not allowed after the @"),
        ("\"a\tb\"@example.com", "\"\\t\" is not allowed before the @"),
        ("\"a\\\rb\"@example.com", "\"\\r\" is not allowed before the @"),
        ("\"a b\"@example.com", "\" \" is not allowed before the @"),
        ("a\"b@example.com", "\"\\\"\" is not allowed before the @"),
        ("\"a@example.com", "a quote before the @ that is not closed"),
        ("\"@example.com", "a quote before the @ that is not closed"),
        ("\"a\\\"@example.com", "a quote before the @ that is not closed"),
        ("\"\"@example.com", "nothing between the quotes before the @"),
        ("\"a\"b\"@example.com", "a quote before the @ that neither begins nor ends it, and has no backslash"),
        ("\"\"\"@example.com", "a quote before the @ that neither begins nor ends it, and has no backslash"),
        ("á\u{85}@example.com", "\"\\u{85}\" is not allowed before the @"),
        ("a\u{202e}b@example.com", "\"\\u{202e}\" is not allowed before the @"),
        ("a\u{2028}b@example.com", "\"\\u{2028}\" is not allowed before the @"),
        ("ada@[127.0.0.1]", "\"[\" is not allowed after the @"),
        ("ada@b_c.example", "\"_\" is not allowed after the @"),
        ("ada@example..com", "the domain has an empty label: two dots in a row, or one at its beginning or end"),
        ("ada@example.com.", "the domain has an empty label: two dots in a row, or one at its beginning or end"),
        ("ada@。com", "the domain has an empty label: two dots in a row, or one at its beginning or end"),
        ("ada@-x.example", "the domain's label \"-x\" begins with a hyphen"),
        ("ada@x-.example", "the domain's label \"x-\" ends with a hyphen"),
        ("ada@a\u{85}é.example", "the domain's label \"a\\u{85}é\" cannot be an internationalized name (UTS 46)"),
        ("ada@é\u{202e}.example", "the domain's label \"é\\u{202e}\" cannot be an internationalized name (UTS 46)"),
        (&long_label, &format!("the domain's label {:?} is longer than 63 bytes", "b".repeat(64))),
        (&long_name, "longer than 64 bytes before the @"),
        (&long_beyond_ascii, "longer than 64 bytes before the @"),
        (&long, "longer than 254 bytes"),
        (&grows, "longer than 254 bytes"),
    ] {
        assert_eq!(refused(text), rule, "{text:?}");
    }
}

#[test]
fn an_address_is_masked_wherever_it_is_shown() {
    for (text, masked) in
        [("ada@example.com", "a***@example.com"), ("用户@b.example", "用***@b.example"), ("é@ü", "é***@xn--tda")]
    {
        let email = Email::parse(text).unwrap();
        assert_eq!(format!("{email} {email:?}"), format!("{masked} {masked}"));
    }
}

/// The regular expression of the HTML standard, but for the length of the whole and of what stands before the `@`.
const BROWSERS: &str = "[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?(\\.[a-zA-Z0-9]([a-zA-Z0-9-]{0,20}[a-zA-Z0-9])?){0,4}";

proptest! {
    #[test]
    fn every_address_that_a_browser_takes_is_stored_as_it_is(text in BROWSERS) {
        prop_assert_eq!(stored(&text), text);
    }

    #[test]
    fn no_text_becomes_an_address_that_could_end_a_header_or_a_command(text in "(\\PC|[@.\"\\\\\r\n<>]|\\pC){0,20}@(\\PC|[.\r\n>]|\\pC){0,20}") {
        if let Ok(email) = Email::parse(&text) {
            let (_, domain) = email.parts();
            prop_assert!(!email.as_str().contains(|c: char| c.is_control() || c.is_whitespace()));
            prop_assert!(domain.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte)), "{}", domain);
            prop_assert_eq!(Email::parse(email.as_str()), Ok(email));
        }
    }
}
