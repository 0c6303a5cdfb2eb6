use std::collections::{BTreeMap, BTreeSet};

use chassis::Limits;
use contract::limits::*;
use contract::{Cancellation, Currency, NewOrder};
use hyper::{Method, Response};
use serde_json::{Value, json};

use crate::http::kind::Kind;
use crate::http::operation::OPERATIONS;
use crate::http::route::Route;
use crate::http::upload::BODY_TIME;

fn document() -> Value {
    serde_json::from_str(super::TEXT).unwrap()
}

/// Follows a reference, if it is one.
fn resolved<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    match value["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap_or_else(|| panic!("{reference}")),
        None => value,
    }
}

fn schema<'d>(document: &'d Value, name: &str) -> &'d Value {
    &document["components"]["schemas"][name]
}

/// A validator of a schema that may refer to the document's components.
fn validator(document: &Value, mut schema: Value) -> jsonschema::Validator {
    schema["components"] = document["components"].clone();
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

fn texts(list: &Value) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// What each operation can answer: statuses, and the types of problem under each.
type Answers = BTreeMap<(String, String), BTreeMap<String, BTreeSet<String>>>;

fn answers_of_the_code() -> Answers {
    let mut all = Answers::new();
    for operation in OPERATIONS {
        let method = operation.method.as_str().to_ascii_lowercase();
        let answers = all.entry((operation.route.template().to_owned(), method)).or_default();
        answers.entry(operation.success.as_str().to_owned()).or_default();
        for kind in operation.problems {
            answers.entry(kind.status().as_str().to_owned()).or_default().insert(kind.uri().to_owned());
        }
    }
    all
}

fn answers_of_the_document(document: &Value) -> Answers {
    let mut all = Answers::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters") {
            let answers = all.entry((path.clone(), method.clone())).or_default();
            for (status, answer) in operation["responses"].as_object().unwrap() {
                let problem = &resolved(document, answer)["content"]["application/problem+json"]["schema"]["allOf"][1];
                let types = &problem["properties"]["type"]["enum"];
                answers.insert(status.clone(), if types.is_null() { BTreeSet::new() } else { texts(types) });
                if !types.is_null() {
                    assert_eq!(problem["properties"]["status"]["const"].to_string(), *status, "{method} {path}");
                }
            }
        }
    }
    all
}

/// Holds an answer to the document: its status has to be one that the operation can have, its body of that schema.
pub(in crate::http) fn agrees(method: &Method, path: &str, head: &Response<()>, body: &Value) {
    let document = document();
    let operation = &document["paths"][Route::of(path).template()][method.as_str().to_ascii_lowercase()];
    let answer = match head.status().as_u16() {
        404 => &document["components"]["responses"]["UnknownPath"],
        405 => &document["components"]["responses"]["MethodNotAllowed"],
        status => resolved(&document, &operation["responses"][status.to_string()]),
    };
    assert!(answer.is_object(), "{method} {path} cannot be answered {}", head.status());
    for name in answer["headers"].as_object().into_iter().flat_map(|headers| headers.keys()) {
        assert!(head.headers().contains_key(name), "{method} {path}: no {name}");
    }
    if answer["content"].is_null() {
        return;
    }
    let media_type = head.headers()["content-type"].to_str().unwrap();
    let schema = answer["content"][media_type]["schema"].clone();
    assert!(schema.is_object(), "{method} {path} is not answered in {media_type}");
    assert!(validator(&document, schema).is_valid(body), "{method} {path}: {body}");
}

#[test]
fn every_operation_with_all_its_answers_is_in_the_document_and_no_other() {
    assert_eq!(answers_of_the_document(&document()), answers_of_the_code());
}

#[test]
fn every_type_of_problem_is_in_the_document_and_no_other() {
    let document = document();
    let code: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.uri().to_owned()).collect();
    assert_eq!(texts(&schema(&document, "Problem")["properties"]["type"]["enum"]), code);
    for (name, kind) in [("UnknownPath", Kind::UnknownPath), ("MethodNotAllowed", Kind::MethodNotAllowed)] {
        let answer = &document["components"]["responses"][name]["content"]["application/problem+json"]["schema"];
        let expected = json!({"type": {"enum": [kind.uri()]}, "status": {"const": kind.status().as_u16()}});
        assert_eq!(answer["allOf"][1]["properties"], expected);
    }
}

#[test]
fn the_limits_in_the_document_are_those_of_the_contract() {
    let document = document();
    let of = |name: &str, field: &str| schema(&document, name)["properties"][field].clone();
    let range = |value: &Value, least: &str, most: &str| (value[least].as_u64(), value[most].as_u64());
    let length = |value: &Value| range(value, "minLength", "maxLength");
    let line = |most: usize| (Some(1), Some(most as u64));
    assert_eq!(length(&of("Customer", "name")), line(MAX_NAME));
    assert_eq!(length(&of("Item", "name")), line(MAX_NAME));
    assert_eq!(length(&of("Item", "sku")), line(MAX_SKU));
    assert_eq!(length(&of("Cancellation", "reason")), line(MAX_REASON));
    assert_eq!(of("Customer", "email")["maxLength"], MAX_EMAIL);
    assert_eq!(length(&document["components"]["parameters"]["IdempotencyKey"]["schema"]), line(MAX_IDEMPOTENCY_KEY));
    let items = (Some(*ITEMS.start() as u64), Some(*ITEMS.end() as u64));
    assert_eq!(range(&of("NewOrder", "items"), "minItems", "maxItems"), items);
    let quantity = range(&of("Item", "quantity"), "minimum", "maximum");
    assert_eq!(quantity, (Some(MIN_QUANTITY), Some(MAX_QUANTITY)));
    assert_eq!(range(&of("Item", "unit_price"), "minimum", "maximum"), (Some(0), Some(MAX_UNIT_PRICE)));
    assert_eq!(of("Problem", "errors")["maxItems"], MAX_FAULTS);
    assert_eq!(of("NewOrder", "currency")["default"], Currency::default().code());
}

#[test]
fn the_limits_that_no_schema_can_say_stand_in_the_text() {
    assert_eq!((MAX_BODY_BYTES, MAX_FAULTS, BODY_TIME.as_secs()), (65_536, 1_000, 10));
    assert_eq!(Limits::DEFAULT.header_bytes, 16 * 1024);
    for phrase in ["more than 65,536 bytes", "at most 1,000", "within 10 seconds", "headers of more than 16 KiB"] {
        assert!(super::TEXT.contains(phrase), "{phrase}");
    }
}

#[test]
fn the_currencies_in_the_document_are_those_of_the_contract() {
    let letters = || (b'A'..=b'Z').map(char::from);
    let codes = letters().flat_map(|a| letters().flat_map(move |b| letters().map(move |c| format!("{a}{b}{c}"))));
    let known: BTreeSet<_> = codes.filter(|code| Currency::from_code(code).is_some()).collect();
    assert_eq!(texts(&schema(&document(), "Currency")["enum"]), known);
}

#[test]
fn every_example_is_what_it_is_an_example_of() {
    let document = document();
    let mut seen = 0;
    let mut examine = |media: &Value| {
        let validator = validator(&document, media["schema"].clone());
        let several = media["examples"].as_object().into_iter().flat_map(|all| all.values().map(|each| &each["value"]));
        for example in several.chain(media.get("example")) {
            assert!(validator.is_valid(example), "{example}");
            seen += 1;
        }
    };
    for item in document["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values().filter(|value| value.is_object()) {
            let answers =
                operation["responses"].as_object().unwrap().values().map(|answer| resolved(&document, answer));
            for content in answers.chain([&operation["requestBody"]]) {
                content["content"].as_object().into_iter().flat_map(|media| media.values()).for_each(&mut examine);
            }
        }
    }
    assert!(seen >= 6, "{seen}");
}

#[test]
fn the_example_requests_are_accepted() {
    let document = document();
    let examples = |path: &str| {
        let body = &document["paths"][path]["post"]["requestBody"]["content"]["application/json"];
        let values: Vec<_> =
            body["examples"].as_object().unwrap().values().map(|each| each["value"].to_string()).collect();
        values
    };
    for body in examples("/orders") {
        NewOrder::parse(body.as_bytes()).unwrap();
    }
    let id = "019379a2-7c5e-7d35-8f6e-3a1b9c0d2e4f".parse().unwrap();
    for body in examples("/orders/{id}/cancel") {
        Cancellation::parse(id, body.as_bytes()).unwrap();
    }
}

#[test]
fn the_schema_and_the_parser_agree_on_what_an_order_is() {
    let document = document();
    let validator = validator(&document, schema(&document, "NewOrder").clone());
    let order = json!({"customer": {"name": "Ada", "email": "ada@example.com"}, "currency": "EUR",
                       "items": [{"sku": "TEA-1", "name": "Tea", "quantity": 1, "unit_price": 0}]});
    let item = order["items"][0].clone();
    let changes = [
        (
            "/customer/name",
            vec![json!("é".repeat(MAX_NAME)), json!("é".repeat(MAX_NAME + 1)), json!(""), json!("a\nb")],
        ),
        (
            "/customer/name",
            vec![json!("a\u{7f}"), json!("a\u{85}"), json!(" "), json!("\u{200b}"), json!(1), json!(null)],
        ),
        ("/customer/email", vec![json!("ada"), json!("ada@"), json!(format!("{}@example.com", "a".repeat(250)))]),
        ("/customer/email", vec![json!("用户@例子.广告"), json!("o'hara@exämple.com"), json!("ada@b_c.example")]),
        ("/currency", vec![json!("USD"), json!("usd"), json!("XXX"), json!("EURO"), json!(null), json!(978)]),
        ("/items", vec![json!([]), json!(vec![&item; 100]), json!(vec![&item; 101]), json!({}), json!([1])]),
        ("/items/0/sku", vec![json!("s".repeat(MAX_SKU)), json!("s".repeat(MAX_SKU + 1)), json!("")]),
        (
            "/items/0/quantity",
            vec![json!(0), json!(-1), json!(10_000), json!(10_001), json!(1.5), json!(2.0), json!("1")],
        ),
        ("/items/0/unit_price", vec![json!(-1), json!(1_000_000_000), json!(1_000_000_001), json!(1e300), json!(true)]),
        ("/customer", vec![json!({"name": "Ada"}), json!({"name": "A", "email": "a@b.cd", "age": 1}), json!([])]),
        ("", vec![json!({}), json!([]), json!("order"), json!({"customer": {}, "items": [], "extra": 1})]),
    ];
    for (pointer, values) in changes {
        for value in values {
            let mut changed = order.clone();
            *changed.pointer_mut(pointer).unwrap() = value.clone();
            let parsed = NewOrder::parse(changed.to_string().as_bytes());
            assert_eq!(validator.is_valid(&changed), parsed.is_ok(), "{pointer} = {value}: {parsed:?}");
        }
    }
}
