//! A body as text.

/// Why a body is not text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotText {
    /// It begins with the byte order mark of this other encoding.
    Encoded(&'static str),
    /// The byte from which on it is not UTF-8.
    From(usize),
}

/// The text without its byte order mark, which a parser may ignore (RFC 8259, section 8.1); .NET programs write one.
pub(crate) fn text(body: &[u8]) -> Result<&str, NotText> {
    match body {
        // UTF-32 begins like UTF-16, and so has to be looked for first.
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => return Err(NotText::Encoded("UTF-32")),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return Err(NotText::Encoded("UTF-16")),
        _ => {}
    }
    let text = str::from_utf8(body).map_err(|error| NotText::From(error.valid_up_to()))?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}
