//! A mail as it lies in a mailbox.

/// What a test asks of it.
#[derive(Debug)]
pub(crate) struct Mail {
    head: String,
}

impl Mail {
    /// Reads a file of a Maildir.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
        let head = text.split("\n\n").next().unwrap_or_default();
        // A line that begins with white space goes on with the one before.
        Self { head: head.replace("\n ", " ").replace("\n\t", " ") }
    }

    /// A header's values, first to last.
    pub(crate) fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        let line =
            move |line: &'_ str| line.split_once(": ").is_some_and(|(named, _)| named.eq_ignore_ascii_case(name));
        self.head.lines().filter(move |text| line(text)).filter_map(|text| Some(text.split_once(": ")?.1))
    }

    /// The address in `To`.
    pub(crate) fn recipient(&self) -> &str {
        let to = self.headers("To").next().unwrap_or_else(|| panic!("a mail to nobody: {self:?}"));
        to.rsplit('<').next().unwrap_or(to).trim_end_matches('>')
    }

    /// When and under which number the server took it.
    pub(crate) fn taken(&self) -> &str {
        self.headers("Received").next().unwrap_or_else(|| panic!("a mail that no server took: {self:?}"))
    }

    /// The `Message-ID`.
    pub(crate) fn id(&self) -> &str {
        self.headers("Message-ID").next().unwrap_or_else(|| panic!("a mail without an id: {self:?}"))
    }
}
