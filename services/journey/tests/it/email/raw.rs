//! Servers that say what no library lets them say.

use std::sync::{Arc, Mutex};

use journey::{Broker, Process, eventually};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::office::{DEAD, place, start};

type Answers = fn(&str) -> Option<&'static str>;

/// What it calls `MAIL` in a session in which it was asked for one before.
const MAIL_AGAIN: &str = "MAIL again";

/// An SMTP server that answers some commands in its own way, and keeps all that it hears.
struct Oddity {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Oddity {
    async fn that_answers(answers: Answers) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::<Mutex<Vec<String>>>::default();
        let kept = heard.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answers, kept.clone()));
            }
        });
        Self { port, heard }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// The service beside it, and one order.
    async fn office(&self, query: &str, variables: &[(&str, &str)]) -> (Broker, Process) {
        self.office_as("", query, variables).await
    }

    /// The same, with a login.
    async fn office_as(&self, login: &str, query: &str, variables: &[(&str, &str)]) -> (Broker, Process) {
        let broker = Broker::shared().await;
        let url = format!("smtp://{login}127.0.0.1:{}{query}", self.port);
        let email = start(&broker, [("SMTP_URL", url.as_str())].iter().chain(variables)).await;
        place(&broker, "Ada").await;
        (broker, email)
    }

    async fn was_told(&self, line: &str) {
        let heard = || async { self.heard() };
        eventually(line, heard, |heard| heard.iter().any(|heard| heard == line)).await;
    }
}

async fn serve(stream: TcpStream, answers: Answers, heard: Arc<Mutex<Vec<String>>>) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    writer.write_all(b"220 mail.test\r\n").await?;
    let mut mails = 0;
    while let Some(mut line) = lines.next_line().await? {
        if line.starts_with("MAIL") {
            mails += 1;
            line = if mails > 1 { MAIL_AGAIN.to_owned() } else { line };
        }
        heard.lock().unwrap().push(line.clone());
        let usual = match line.split([' ', ':']).next().unwrap_or_default() {
            "DATA" => "354 go on\r\n",
            "EHLO" => "250-mail.test\r\n250 STARTTLS\r\n",
            "" | "." | "MAIL" | "RCPT" | "RSET" | "NOOP" | "HELO" => "250 ok\r\n",
            _ if answers(&line).is_some() => "",
            _ if line.contains(' ') || line.contains(':') || line.len() > 8 => continue,
            _ => "221 bye\r\n",
        };
        writer.write_all(answers(&line).unwrap_or(usual).as_bytes()).await?;
        if line == "DATA" {
            while lines.next_line().await?.is_some_and(|line| line != ".") {}
            heard.lock().unwrap().push(".".to_owned());
            writer.write_all(answers(".").unwrap_or("250 ok\r\n").as_bytes()).await?;
        }
    }
    Ok(())
}

async fn paused(email: &Process, words: &str) {
    let said = || async { email.ops("/readyz").await.json()["reason"].to_string() };
    eventually(words, said, |reason| reason.contains(words)).await;
}

#[tokio::test]
async fn what_comes_in_the_clear_after_starttls_is_no_answer_of_the_encrypted_session() {
    let answers: Answers = |line| (line == "STARTTLS").then_some("220 go on\r\n250 injected\r\n250 and this\r\n");
    let server = Oddity::that_answers(answers).await;
    let (broker, email) = server.office("?tls=required", &[]).await;
    paused(&email, "it went on in the clear after its answer to STARTTLS").await;
    assert!(server.heard().iter().all(|line| !line.starts_with("MAIL")), "{:?}", server.heard());
    assert_eq!(broker.depth(DEAD).await, Some(0));

    // Where it may go in the clear, it does so in a session of its own.
    let server = Oddity::that_answers(answers).await;
    let (_broker, _email) = server.office("?tls=opportunistic", &[]).await;
    server.was_told(".").await;
    let heard = server.heard();
    let after = heard.iter().skip_while(|line| *line != "STARTTLS").nth(1);
    assert!(after.is_some_and(|line| line.starts_with("EHLO")), "{heard:?}");
}

#[tokio::test]
async fn a_client_without_a_name_calls_itself_by_its_address() {
    let server = Oddity::that_answers(|line| (line.starts_with("EHLO")).then_some("250 mail.test\r\n")).await;
    let (_broker, _email) = server.office("", &[]).await;
    server.was_told("EHLO [127.0.0.1]").await;
    server.was_told(".").await;
}

#[tokio::test]
async fn a_name_that_is_refused_pauses_and_another_one_can_be_set() {
    let answers: Answers = |line| match line {
        "EHLO shop.example.com" => Some("250 mail.test\r\n"),
        _ if line.starts_with("EHLO") => Some("504 5.5.2 need fully-qualified hostname\r\n"),
        _ => None,
    };
    let server = Oddity::that_answers(answers).await;
    let (broker, email) = server.office("", &[]).await;
    paused(&email, "504 5.5.2 need fully-qualified hostname; SMTP_HELO sets the name").await;
    assert_eq!(broker.depth(DEAD).await, Some(0));
    let (_broker, _email) = server.office("", &[("SMTP_HELO", "shop.example.com")]).await;
    server.was_told(".").await;
}

#[tokio::test]
async fn a_server_that_knows_no_ehlo_is_greeted_the_old_way() {
    let server = Oddity::that_answers(|line| (line.starts_with("EHLO")).then_some("502 not implemented\r\n")).await;
    let (_broker, _email) = server.office("", &[]).await;
    server.was_told("HELO [127.0.0.1]").await;
    server.was_told(".").await;
}

#[tokio::test]
async fn an_answer_that_is_none_or_has_no_end_pauses() {
    let endless: &'static str = Box::leak("250-x\r\n".repeat(5000).into_boxed_str());
    static ENDLESS: std::sync::OnceLock<&str> = std::sync::OnceLock::new();
    ENDLESS.get_or_init(|| endless);
    let two: [(Answers, &str); 2] = [
        (|line| line.starts_with("EHLO").then(|| *ENDLESS.get().unwrap()), "it is too long"),
        (|line| line.starts_with("EHLO").then_some("HTTP/1.1 400 Bad Request\r\n\r\n"), "is not SMTP"),
    ];
    for (answers, words) in two {
        let server = Oddity::that_answers(answers).await;
        let (broker, email) = server.office("", &[]).await;
        paused(&email, words).await;
        assert_eq!(broker.depth(DEAD).await, Some(0));
    }
}

#[tokio::test]
async fn an_answer_too_many_is_not_taken_for_the_next_one() {
    // Read one after the other, they would say that the mail was taken.
    let answers: Answers = |line| line.starts_with("MAIL").then_some("250 ok\r\n250 ok\r\n354 go on\r\n250 taken\r\n");
    let server = Oddity::that_answers(answers).await;
    let (broker, email) = server.office("", &[]).await;
    let postponed = || email.metric("messaging_consumed_total", &[("outcome", "postponed")]);
    eventually("it is postponed", postponed, |&times| times >= 1.0).await;
    let heard = server.heard();
    assert!(heard.iter().all(|line| !line.starts_with("RCPT")), "{heard:?}");
    assert_eq!(email.metric("email_sent_total", &[("transport", "smtp"), ("outcome", "sent")]).await, 0.0);
    assert_eq!(broker.depth(DEAD).await, Some(0));
}

#[tokio::test]
async fn a_server_for_one_mail_in_a_session_gets_each_mail_once_whatever_it_says_to_the_second() {
    let all: [Answers; 4] = [
        |line| (line == MAIL_AGAIN).then_some("451 4.3.0 Only one transaction in a session\r\n"),
        |line| (line == MAIL_AGAIN).then_some("503 5.5.1 Only one transaction in a session\r\n"),
        |line| (line == MAIL_AGAIN).then_some("550 5.7.1 no more mail in this session\r\n"),
        |line| (line == MAIL_AGAIN).then_some("421 4.7.0 too many messages in this connection\r\n"),
    ];
    for answers in all {
        let server = Oddity::that_answers(answers).await;
        let (broker, email) = server.office("", &[]).await;
        for number in 1..40 {
            place(&broker, &format!("Customer {number}")).await;
        }
        let sent = || email.metric("email_sent_total", &[("transport", "smtp"), ("outcome", "sent")]);
        eventually("all are sent", sent, |&sent| sent == 40.0).await;
        for outcome in ["postponed", "delayed", "dead", "given-back"] {
            assert_eq!(email.metric("messaging_consumed_total", &[("outcome", outcome)]).await, 0.0, "{outcome}");
        }
        assert_eq!(server.heard().iter().filter(|line| *line == ".").count(), 40);
    }
}

#[tokio::test]
async fn a_server_that_says_how_many_mails_a_session_takes_gets_no_more() {
    let answers: Answers = |line| match line {
        _ if line.starts_with("EHLO") => Some("250-mail.test\r\n250 LIMITS MAILMAX=1 RCPTMAX=1\r\n"),
        MAIL_AGAIN => Some("550 5.5.1 no\r\n"),
        _ => None,
    };
    let server = Oddity::that_answers(answers).await;
    let (broker, email) = server.office("", &[]).await;
    for number in 1..10 {
        place(&broker, &format!("Customer {number}")).await;
    }
    let sent = || email.metric("email_sent_total", &[("transport", "smtp"), ("outcome", "sent")]);
    eventually("all are sent", sent, |&sent| sent == 10.0).await;
    assert!(!server.heard().iter().any(|line| line == MAIL_AGAIN), "{:?}", server.heard());
}

#[tokio::test]
async fn a_server_that_takes_no_message_as_long_as_ours_pauses_and_says_how_long_one_may_be() {
    let answers: Answers = |line| line.starts_with("EHLO").then_some("250-mail.test\r\n250 SIZE 1000\r\n");
    let server = Oddity::that_answers(answers).await;
    let (broker, email) = server.office("", &[]).await;
    for number in 1..20 {
        place(&broker, &format!("Customer {number}")).await;
    }
    paused(&email, "SMTP server takes only 1000 bytes, and every message has more").await;
    assert_eq!(broker.depth(DEAD).await, Some(0));
    assert!(server.heard().iter().all(|line| !line.starts_with("MAIL")), "{:?}", server.heard());
}

/// What a client sends for the login `shop:s3cret-pa55word`, by PLAIN, or by LOGIN in two lines.
const PLAIN: &str = "AHNob3AAczNjcmV0LXBhNTV3b3Jk";
const USER: &str = "c2hvcA==";
const PASSWORD: &str = "czNjcmV0LXBhNTV3b3Jk";

#[tokio::test]
async fn a_login_takes_the_way_that_the_server_leaves_open_and_is_never_told() {
    let ways: [Answers; 2] = [
        |line| match line {
            _ if line.starts_with("EHLO") => Some("250-mail.test\r\n250 AUTH PLAIN\r\n"),
            _ if line.starts_with("AUTH PLAIN ") => Some("334 \r\n"),
            PLAIN => Some("235 ok\r\n"),
            _ => None,
        },
        |line| match line {
            _ if line.starts_with("EHLO") => Some("250-mail.test\r\n250 auth=plain login\r\n"),
            _ if line.starts_with("AUTH PLAIN ") => Some("504 5.7.4 Unrecognized authentication type\r\n"),
            "AUTH LOGIN" => Some("334 who?\r\n"),
            USER => Some("334 and?\r\n"),
            PASSWORD => Some("235 ok\r\n"),
            _ => None,
        },
    ];
    for answers in ways {
        let server = Oddity::that_answers(answers).await;
        let (broker, email) = server.office_as("shop:s3cret-pa55word@", "?tls=none", &[]).await;
        server.was_told(".").await;
        assert_eq!(broker.depth(DEAD).await, Some(0));
        assert!(!email.log().contains("pa55") && !email.log().contains(PASSWORD), "{}", email.log());
    }
    let none: Answers = |line| match line {
        _ if line.starts_with("EHLO") => Some("250-mail.test\r\n250 AUTH CRAM-MD5\r\n"),
        _ => None,
    };
    let server = Oddity::that_answers(none).await;
    let (_broker, email) = server.office_as("shop:s3cret-pa55word@", "?tls=none", &[]).await;
    paused(&email, "it offers only the logins CRAM-MD5: expected PLAIN or LOGIN").await;
}
