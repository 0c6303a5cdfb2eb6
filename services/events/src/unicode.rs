//! Reads a body as text.

/// Why a body is not text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotText {
    /// It begins with the byte order mark of this other encoding.
    Encoded(&'static str),
    /// It is not UTF-8 from this byte on.
    From(usize),
}

/// The text without its byte order mark, which .NET programs write and a parser may ignore (RFC 8259, section 8.1).
///
/// # Errors
/// The body is not UTF-8.
pub fn text(body: &[u8]) -> Result<&str, NotText> {
    match body {
        // UTF-32 begins like UTF-16, so it is checked first.
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => return Err(NotText::Encoded("UTF-32")),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return Err(NotText::Encoded("UTF-16")),
        _ => {}
    }
    let text = str::from_utf8(body).map_err(|error| NotText::From(error.valid_up_to()))?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}
