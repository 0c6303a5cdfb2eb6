//! Sends commands and reads answers on one connection, encrypted or not.

use std::{io, sync::Arc};

use rustls::{ClientConfig, pki_types::ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use super::reply::{self, Reply};

/// The longest line of an answer, eight times what RFC 5321 allows, and the most lines of one.
const LONGEST_LINE: usize = 4096;
const MOST_LINES: usize = 128;

/// A stream of bytes to the server.
pub(super) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// A connection to a server.
pub(super) struct Wire {
    stream: Box<dyn Transport>,
    /// Bytes that were read and are not a whole line yet, or belong to the next answer.
    read: Vec<u8>,
}

impl Wire {
    pub(super) fn over(stream: impl Transport + 'static) -> Self {
        Self { stream: Box::new(stream), read: Vec::new() }
    }

    /// Sends a line and reads the answer.
    ///
    /// # Errors
    /// The connection broke, the answer is not SMTP, or the server had said something before it was asked.
    ///
    /// # If dropped
    /// The connection cannot be used any more.
    pub(super) async fn ask(&mut self, command: &str) -> io::Result<Reply> {
        self.nothing_unasked().await?;
        self.say(format!("{command}\r\n").as_bytes()).await?;
        self.answer().await
    }

    /// Checks that the server has said nothing unasked. Otherwise the client would take each answer for the answer to
    /// the next command, and a refused mail for a taken one. A server may say only one thing at any time: that it
    /// closes the session (`421`).
    ///
    /// # Errors
    /// The connection broke, or the server said something unasked.
    pub(super) async fn nothing_unasked(&mut self) -> io::Result<()> {
        tokio::select! {
            biased;
            read = self.stream.read_buf(&mut self.read) => if read? == 0 && self.read.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            },
            () = std::future::ready(()) => {}
        }
        match self.read.is_empty() || self.read.starts_with(b"421") {
            true => Ok(()),
            false => Err(no_answer("it said more than it was asked")),
        }
    }

    /// Sends these bytes.
    ///
    /// # Errors
    /// The connection broke.
    pub(super) async fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// The connection broke, or the answer is not SMTP.
    pub(super) async fn answer(&mut self) -> io::Result<Reply> {
        let mut lines = Vec::new();
        let mut first = None;
        loop {
            let line = self.line().await?;
            let Some((code, more, words)) = reply::line(&line) else {
                return Err(no_answer(&format!("{:?}", String::from_utf8_lossy(&line))));
            };
            if *first.get_or_insert(code) != code {
                return Err(no_answer("it has two codes"));
            }
            lines.push(words);
            match more {
                false => return Ok(Reply { code, lines }),
                true if lines.len() == MOST_LINES => return Err(no_answer("it is too long")),
                true => {}
            }
        }
    }

    /// Reads a line, without its CRLF or LF.
    async fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut looked_at = 0;
        loop {
            if let Some(end) = self.read[looked_at..].iter().position(|&byte| byte == b'\n') {
                let mut line: Vec<u8> = self.read.drain(..=looked_at + end).collect();
                line.truncate(line.trim_ascii_end().len());
                return Ok(line);
            }
            looked_at = self.read.len();
            if looked_at > LONGEST_LINE {
                return Err(no_answer("its line is too long"));
            }
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// The same connection, encrypted from now on.
    ///
    /// # Errors
    /// The handshake failed, or the server said more than it was asked while the connection was not encrypted. An
    /// attacker in between could have said it (RFC 3207), and the client would take it for the next answer.
    pub(super) async fn encrypt(self, host: ServerName<'static>, config: Arc<ClientConfig>) -> io::Result<Self> {
        if !self.read.is_empty() {
            return Err(no_answer("it went on in the clear after its answer to STARTTLS"));
        }
        Ok(Self::over(TlsConnector::from(config).connect(host, self.stream).await?))
    }
}

fn no_answer(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("what it answered is not SMTP: {why}"))
}

/// Why a connection broke, in words.
pub(super) fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "it hung up".to_owned(),
        _ => error.to_string(),
    }
}
