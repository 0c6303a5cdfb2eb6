//! What the broker may send, and what lapin is given of it.

use lapin::protocol::{AMQPClass, basic, parse_class};
use lapin::types::{AMQPValue, FieldTable};
use proptest::collection::vec;
use proptest::num::u8::ANY;

use super::*;
use crate::link::{FRAME_MAX_BYTES, payload::DEEPEST};

const BODY: u8 = 3;

fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    [&[kind, 0, 1][..], &long(payload.len()), payload, &[0xCE]].concat()
}

fn on_channel_0(payload: &[u8]) -> Vec<u8> {
    let mut frame = frame(METHOD, payload);
    frame[2] = 0;
    frame
}

fn long(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap().to_be_bytes()
}

fn short(text: &[u8]) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text].concat()
}

/// A header frame with content type, headers, delivery mode and message id.
fn header(table: &[u8], message_id: &[u8]) -> Vec<u8> {
    let properties = [&b"\x04text"[..], &long(table.len()), table, &[2], &short(message_id)].concat();
    frame(HEADER, &[&[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0xB0, 0x80][..], &properties].concat())
}

fn text(name: &[u8], length: usize) -> Vec<u8> {
    [&short(name)[..], b"S", &long(length), &vec![b'x'; length]].concat()
}

fn count(name: &[u8], count: u8) -> Vec<u8> {
    [&short(name)[..], b"l\0\0\0\0\0\0\0", &[count]].concat()
}

fn nested(depth: usize) -> Vec<u8> {
    (0..depth).fold(Vec::new(), |inner, _| [&b"\x01nF"[..], &long(inner.len()), &inner].concat())
}

fn deliver(tag: &[u8], exchange: &[u8], key: &[u8]) -> Vec<u8> {
    frame(METHOD, &[&[0, 60, 0, 60][..], &short(tag), &[0; 9], &short(exchange), &short(key)].concat())
}

fn passed(read: &[u8], chunk: usize) -> Vec<u8> {
    overheard(read, chunk).0
}

fn overheard(read: &[u8], chunk: usize) -> (Vec<u8>, Arc<Heard>) {
    let heard = Arc::<Heard>::default();
    let (mut sanitizer, mut out, mut room) =
        (FrameSanitizer::new(Arc::clone(&heard), FRAME_MAX_BYTES), Vec::new(), [0; 64]);
    for read in read.chunks(chunk) {
        sanitizer.take(read);
        loop {
            match sanitizer.hand_on(&mut room) {
                0 => break,
                length => out.extend_from_slice(&room[..length]),
            }
        }
    }
    (out, heard)
}

/// The payload of the only frame.
fn payload(frame: &[u8]) -> &[u8] {
    let size = u32::from_be_bytes(frame[3..7].try_into().unwrap()) as usize;
    assert_eq!((frame.len(), frame[frame.len() - 1]), (FRAME_HEAD + size + 1, 0xCE));
    &frame[FRAME_HEAD..FRAME_HEAD + size]
}

/// The headers as lapin reads them.
fn read_headers(frame: &[u8]) -> FieldTable {
    let Ok(([], properties)) = basic::parse_properties(&payload(frame)[12..]) else { panic!("{frame:?}") };
    properties.headers().clone().unwrap_or_default()
}

/// The method as lapin reads it.
fn read_method(frame: &[u8]) -> AMQPClass {
    let Ok(([], method)) = parse_class(payload(frame)) else { panic!("{frame:?}") };
    method
}

#[test]
fn what_is_as_it_should_be_passes_unchanged_however_it_is_cut() {
    let values = b"\x01at\x01\x01bI\0\0\0\x07\x01cS\0\0\0\x02\xff\xfe\x01dA\0\0\0\x06S\0\0\0\x01x\x01eV\x02\xc3\xa9l\0\0\0\0\0\0\0\x01";
    let delivered = [deliver(b"tag", b"", "clé".as_bytes()), header(values, "é".as_bytes()), frame(BODY, &[2; 300])];
    let read = [&frame(METHOD, b"a method")[..], &delivered.concat(), &frame(8, b"")].concat();
    for chunk in [1, 7, 8, 50, 1000] {
        assert_eq!(passed(&read, chunk), read, "in chunks of {chunk}");
    }
}

#[test]
fn what_is_judged_does_not_depend_on_how_it_is_cut() {
    let mut read = [frame(8, b""), deliver(b"\xff", b"\xff", b"\xff"), header(b"\x01\xfft\x01", b"id")].concat();
    read.pop();
    let clean = passed(&read, 1000);
    assert!(clean != read, "a payload is whole without its frame's last byte");
    for chunk in [1, 7, 50] {
        let mut sanitizer = FrameSanitizer::new(Arc::default(), FRAME_MAX_BYTES);
        read.chunks(chunk).for_each(|read| sanitizer.take(read));
        sanitizer.end();
        assert_eq!(sanitizer.bytes, clean, "in chunks of {chunk}");
    }
}

#[test]
fn tables_too_deep_become_bytes_and_nothing_moves() {
    let read = header(&nested(5_000), b"id");
    let clean = passed(&read, 1000);
    let changed: Vec<_> = (0..read.len()).filter(|at| read[*at] != clean[*at]).collect();
    assert_eq!((clean.len(), changed.len()), (read.len(), 1));
    assert_eq!(clean[changed[0]], b'x');
    let deep_enough = header(&nested(DEEPEST - 1), b"id");
    assert_eq!(passed(&deep_enough, 1000), deep_enough);
}

#[test]
fn names_that_are_no_utf8_become_question_marks() {
    let clean = passed(&header(b"\x03a\xff\xfet\x01", b"\xc3"), 1000);
    assert_eq!(clean, header(b"\x03a??t\x01", b"?"));
}

#[test]
fn text_of_any_method_that_is_no_utf8_becomes_question_marks() {
    let odd = short(b"a\xff\xfe");
    let methods: [(&[u8], Vec<u8>); 9] = [
        (&[0, 60, 0, 60], [&odd[..], &[0; 9], &odd, &odd].concat()),
        (&[0, 60, 0, 71], [&[0; 9][..], &odd, &odd, &[0; 4]].concat()),
        (&[0, 60, 0, 50], [&[1, 56][..], &odd, &odd, &odd].concat()),
        (&[0, 20, 0, 40], [&[1, 56][..], &odd, &[0; 4]].concat()),
        (&[0, 10, 0, 50], [&[1, 56][..], &odd, &[0; 4]].concat()),
        (&[0, 60, 0, 21], odd.clone()),
        (&[0, 60, 0, 30], [&odd[..], &[1]].concat()),
        (&[0, 50, 0, 11], [&odd[..], &[0; 8]].concat()),
        (&[0, 10, 0, 60], odd.clone()),
    ];
    for (method, arguments) in methods {
        let read = frame(METHOD, &[method, &arguments].concat());
        for chunk in [1, 7, 12, 1000] {
            let clean = passed(&read, chunk);
            read_method(&clean);
            assert_eq!(clean.iter().filter(|byte| **byte == b'?').count() % 2, 0, "{method:?}");
            assert!(clean != read && clean.len() == read.len(), "{method:?}");
        }
    }
}

#[test]
fn properties_that_nobody_can_read_are_none_and_the_body_follows() {
    let bare = frame(HEADER, &[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0]);
    let unknown_kind = header(b"\x01aZ", b"id");
    let beyond_the_table = header(b"\x01aS\0\0\0\x09x", b"id");
    let beyond_a_table_within = header(b"\x01aF\0\0\0\x03\x01bI\0\0\0\x01", b"id");
    let too_short = frame(HEADER, &[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0x80, 0, 5, b'a']);
    let without_flags = frame(HEADER, &[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
    let more_than_it_says = frame(HEADER, &[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 7]);
    let body = frame(BODY, b"123456789");
    let odd = [unknown_kind, beyond_the_table, beyond_a_table_within, too_short, without_flags, more_than_it_says];
    for odd in odd {
        for chunk in [1, 7, 1000] {
            let clean = passed(&[&odd[..], &body].concat(), chunk);
            assert_eq!(clean, [&bare[..], &body].concat(), "{odd:?} in chunks of {chunk}");
        }
    }
}

#[test]
fn a_header_frame_beyond_what_lapin_takes_keeps_what_there_is_room_for_however_it_is_cut() {
    let table = [
        text(b"tenant", 4),
        text(b"huge", 131_000),
        (0..200).flat_map(|_| text(b"many", 1000)).collect(),
        count(b"x-delivery-count", 3),
        count(b"x-acquired-count", 4),
    ]
    .concat();
    let body = frame(BODY, b"123456789");
    let read = [&header(&table, b"an id")[..], &body].concat();
    let clean = passed(&read, read.len());
    let (head, rest) = clean.split_at(clean.len() - body.len());
    assert!(rest == body && head.len() <= FRAME_MAX_BYTES as usize);
    let headers = read_headers(head);
    let names: Vec<_> = headers.inner().keys().map(|name| name.as_str()).collect();
    assert_eq!(names, ["many", "tenant", "x-acquired-count", "x-delivery-count"]);
    assert_eq!(headers.inner()["x-delivery-count"], AMQPValue::LongLongInt(3));
    for chunk in [1000, 65_536, 131_072] {
        assert_eq!(passed(&read, chunk), clean, "in chunks of {chunk}");
    }
}

#[test]
fn a_header_frame_of_any_size_costs_no_more_than_what_stays_of_it() {
    let read = header(&[text(b"huge", 10_000_000), text(b"tenant", 4)].concat(), b"id");
    let mut sanitizer = FrameSanitizer::new(Arc::default(), FRAME_MAX_BYTES);
    for read in read.chunks(8192) {
        sanitizer.take(read);
        assert!(sanitizer.bytes.len() < 20_000, "{}", sanitizer.bytes.len());
    }
    assert_eq!(sanitizer.bytes, header(&text(b"tenant", 4), b"id"));
    assert!(sanitizer.bytes.capacity() < 100_000);
}

#[test]
fn a_header_frame_without_its_end_is_none() {
    let read = header(&[text(b"tenant", 4), text(b"huge", 131_072)].concat(), b"id");
    for chunk in [1000, read.len()] {
        let mut sanitizer = FrameSanitizer::new(Arc::default(), FRAME_MAX_BYTES);
        read[..100_000].chunks(chunk).for_each(|read| sanitizer.take(read));
        sanitizer.end();
        assert_eq!(sanitizer.bytes, b"");
    }
}

#[test]
fn what_was_agreed_upon_is_the_most_that_lapin_takes() {
    let tune = on_channel_0(&[0, 10, 0, 30, 0, 9, 0, 0, 0x20, 0, 0, 10]);
    let large = header(&[text(b"tenant", 4), text(b"large", 9000)].concat(), b"id");
    assert!(passed(&large, 1000) == large);
    let clean = passed(&[&tune[..], &large].concat(), 1000);
    assert_eq!(clean[tune.len()..], header(&text(b"tenant", 4), b"id"));
}

#[test]
fn returns_are_told_by_channel_before_they_are_handed_on_however_they_are_cut() {
    let returned = frame(METHOD, &[0, 60, 0, 50, 1, 56]);
    let mut on_another = returned.clone();
    on_another[1..3].copy_from_slice(&[0, 7]);
    let read = [frame(METHOD, b"no"), returned.clone(), frame(METHOD, &[0, 60, 0, 80]), on_another].concat();
    for chunk in [1, 7, 8, 1000] {
        let heard = Arc::<Heard>::default();
        let (mut sanitizer, mut handed_on, mut room) =
            (FrameSanitizer::new(Arc::clone(&heard), FRAME_MAX_BYTES), 0, [0; 64]);
        for read in read.chunks(chunk) {
            sanitizer.take(read);
            handed_on += sanitizer.hand_on(&mut room);
            assert!(heard.returns(1) > 0 || handed_on <= 10, "in chunks of {chunk}");
        }
        assert_eq!([1, 7].map(|channel| heard.returns(channel)), [1, 1], "in chunks of {chunk}");
    }
}

#[test]
fn the_brokers_words_are_heard_of_a_method_on_channel_0_and_of_nothing_else() {
    let start =
        on_channel_0(b"\x00\x0a\x00\x0a\x00\x09\x00\x00\x00\x12\x07versionS\x00\x00\x00\x054.3.6\0\0\0\0\0\0\0\0");
    let close = on_channel_0(b"\x00\x0a\x00\x32\x01\x40\x03bye\x00\x00\x00\x00");
    let returned = frame(METHOD, &[0, 60, 0, 50, 1, 56]);
    let said = [&start[..], &close, &returned].concat();
    let by_somebody_else = [
        frame(BODY, &said),
        frame(BODY, &[&[0xCE][..], &said].concat()),
        header(&[&short(b"said")[..], b"S", &long(said.len()), &said].concat(), b"id"),
        deliver(b"tag", b"", &close),
        frame(METHOD, &close[FRAME_HEAD..close.len() - 1]),
    ];
    for chunk in [1, 7, 1000] {
        for odd in &by_somebody_else {
            let (_, heard) = overheard(odd, chunk);
            assert!(heard.farewell.get().is_none() && heard.version.get().is_none() && heard.returns(1) == 0);
        }
        let (_, heard) = overheard(&[&by_somebody_else.concat()[..], &said].concat(), chunk);
        assert_eq!(heard.farewell.get().map(String::as_str), Some("bye"), "in chunks of {chunk}");
        assert_eq!(heard.version.get().map(ToString::to_string).as_deref(), Some("4.3"), "in chunks of {chunk}");
        assert_eq!(heard.returns(1), 1);
    }
}

#[test]
fn what_the_broker_says_last_is_handed_on_unfinished() {
    let mut sanitizer = FrameSanitizer::new(Arc::default(), FRAME_MAX_BYTES);
    sanitizer.take(&header(b"", b"id")[..20]);
    let mut room = [0; 64];
    assert_eq!(sanitizer.hand_on(&mut room), 0);
    sanitizer.end();
    assert_eq!(sanitizer.hand_on(&mut room), 20);
}

proptest::proptest! {
    #[test]
    fn lapin_reads_the_properties_of_any_message(properties in vec(ANY, 0..200), chunk in 1usize..50) {
        let clean = passed(&frame(HEADER, &[&[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9][..], &properties].concat()), chunk);
        read_headers(&clean);
    }

    #[test]
    fn lapin_reads_the_headers_of_any_message_whatever_its_size(table in vec(ANY, 0..200), chunk in 1usize..50) {
        let table = [&table[..], &text(b"huge", 131_072)].concat();
        read_headers(&passed(&header(&table, b"id"), chunk * 1000));
    }

    #[test]
    fn lapin_reads_where_any_message_is_from(tag in vec(ANY, 0..256), exchange in vec(ANY, 0..256), key in vec(ANY, 0..256)) {
        read_method(&passed(&deliver(&tag, &exchange, &key), 50));
    }

    #[test]
    fn no_bytes_panic_it(read in vec(ANY, 0..300), chunk in 1usize..50) {
        passed(&read, chunk);
    }
}
