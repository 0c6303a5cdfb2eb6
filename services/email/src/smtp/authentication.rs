//! Logs in to a server (RFC 4954), by PLAIN or by LOGIN.

use std::collections::HashSet;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};

use super::{
    Login,
    extensions::Extensions,
    limits::Time,
    mask::masked,
    reply::Reply,
    server::{Unready, heard, said},
    wire::Wire,
};

/// In place of words of a server that repeat a secret.
const HIDDEN: &str = "(its words are left out: they repeat a part of the login)";

/// So many characters in a row of an encoded secret no server says by chance.
const BY_CHANCE: usize = 8;

/// What the client sends to log in by one mechanism.
struct Attempt {
    /// The mechanism, as the client names it.
    name: &'static str,
    command: String,
    /// What answers each `334`, whatever words the server asks in.
    secrets: Vec<String>,
}

/// Logs in by the first mechanism that the server does not refuse as such. A server can offer one that is switched off
/// for this account.
pub(super) async fn log_in(
    wire: &mut Wire,
    login: &Login,
    extensions: &Extensions,
    time: &Time,
) -> Result<(), Unready> {
    let attempts = attempts(login, extensions);
    if attempts.is_empty() {
        return Err(unsupported(&extensions.logins).into());
    }
    let mut refused = String::new();
    for attempt in &attempts {
        let repeats = |words: &str| repeats(words, &attempts, login);
        let (unready, another) = match answer(wire, attempt, time).await {
            Ok(reply) if reply.code == 235 => return Ok(()),
            Ok(reply) => {
                let another = (500..600).contains(&reply.code) && reply.code != 535;
                let reply =
                    if repeats(&reply.to_string()) { Reply { lines: vec![HIDDEN.to_owned()], ..reply } } else { reply };
                (said(&format!("it answered {} with", attempt.name), &reply), another)
            }
            Err(unready) if repeats(&unready.reason) => {
                (format!("what it answered is not SMTP {HIDDEN}").into(), false)
            }
            Err(unready) => (unready, false),
        };
        refused = if refused.is_empty() { unready.reason } else { format!("{refused}; {}", unready.reason) };
        if !another {
            return Err(Unready { reason: refused, ..unready });
        }
    }
    Err(refused.into())
}

fn attempts(login: &Login, extensions: &Extensions) -> Vec<Attempt> {
    let (user, password) = (login.user.expose(), login.password.expose());
    let plain = BASE64.encode(format!("\0{user}\0{password}"));
    let all = [
        // A server that takes no secret beside the mechanism asks for it with 334.
        Attempt { name: "AUTH PLAIN", command: format!("AUTH PLAIN {plain}"), secrets: vec![plain] },
        Attempt {
            name: "AUTH LOGIN",
            command: "AUTH LOGIN".to_owned(),
            secrets: vec![BASE64.encode(user), BASE64.encode(password)],
        },
    ];
    all.into_iter().filter(|attempt| extensions.logins.iter().any(|login| attempt.name.ends_with(login))).collect()
}

fn unsupported(offered: &[String]) -> String {
    let offered = match offered {
        [] => "no login".to_owned(),
        some => format!("only the logins {}", masked(&some.join(", "))),
    };
    format!("it offers {offered}: expected PLAIN or LOGIN")
}

async fn answer(wire: &mut Wire, attempt: &Attempt, time: &Time) -> Result<Reply, Unready> {
    let mut answer = heard(time.command(), "answer AUTH", wire.ask(&attempt.command)).await?;
    for secret in &attempt.secrets {
        if answer.code != 334 {
            break;
        }
        answer = heard(time.command(), "answer AUTH", wire.ask(secret)).await?;
    }
    Ok(answer)
}

/// Whether a server repeats in its words what it was sent, or a part of it.
fn repeats(words: &str, attempts: &[Attempt], login: &Login) -> bool {
    let words = words.to_lowercase();
    let is_encoded = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
    let secrets = attempts.iter().flat_map(|attempt| &attempt.secrets).map(|secret| secret.to_lowercase());
    let in_part = secrets.into_iter().any(|secret| {
        let parts: HashSet<_> = secret.as_bytes().windows(BY_CHANCE.min(secret.len())).collect();
        let length = parts.iter().next().map_or(1, |part| part.len());
        words.split(|c| !is_encoded(c)).any(|word| word.as_bytes().windows(length).any(|part| parts.contains(part)))
    });
    in_part || words.contains(&login.password.expose().to_lowercase())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};

    use super::*;
    use crate::smtp::{SmtpLimits, SmtpUrl};

    const PLAIN: &str = "AHNob3AAczNjcmV0LXBhNTV3b3Jk";
    const USER: &str = "c2hvcA==";
    const PASSWORD: &str = "czNjcmV0LXBhNTV3b3Jk";

    fn login() -> Login {
        let url: SmtpUrl = "smtp://shop:s3cret-pa55word@mail.test?tls=none".parse().unwrap();
        url.login.unwrap()
    }

    /// The outcome of a login with a server that offers these, and answers each line so, and all that it heard.
    async fn outcome(offered: &str, answers: &[&'static str]) -> (Result<(), String>, Vec<String>) {
        let lines = ["mail.test", offered].map(str::to_owned).to_vec();
        let extensions = Extensions::of(&Reply { code: 250, lines });
        let (client, server) = tokio::io::duplex(4096);
        let hearing = tokio::spawn(serve(server, answers.to_vec()));
        let limit = std::time::Duration::from_secs(60);
        let limits = SmtpLimits { connect: limit, command: limit, data: limit, last: limit, whole: limit };
        let mut wire = Wire::over(client);
        let outcome = log_in(&mut wire, &login(), &extensions, &limits.begin()).await;
        drop(wire);
        (outcome.map_err(|unready| unready.reason), hearing.await.unwrap())
    }

    /// It hangs up where it has no more answers.
    async fn serve(stream: DuplexStream, answers: Vec<&'static str>) -> Vec<String> {
        let (reader, mut writer) = tokio::io::split(stream);
        let (mut lines, mut heard) = (BufReader::new(reader).lines(), Vec::new());
        for answer in answers {
            let Some(line) = lines.next_line().await.unwrap() else { break };
            heard.push(line);
            writer.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
        }
        heard
    }

    #[tokio::test]
    async fn a_server_that_takes_no_secret_beside_the_mechanism_gets_it_on_a_line_of_its_own() {
        for prompt in ["334", "334 ", "334 go on", "334 UGFzc3dvcmQ6"] {
            let (outcome, heard) = outcome("AUTH PLAIN", &[prompt, "235 2.7.0 ok"]).await;
            assert_eq!((outcome, heard), (Ok(()), vec![format!("AUTH PLAIN {PLAIN}"), PLAIN.to_owned()]));
        }
        let (outcome, heard) = outcome("AUTH PLAIN LOGIN", &["334", "334", "235 ok"]).await;
        assert_eq!((outcome.unwrap_err().as_str(), heard.len()), ("it answered AUTH PLAIN with 334 ", 2));
    }

    #[tokio::test]
    async fn where_plain_is_refused_as_such_login_is_tried_in_the_same_session() {
        for refusal in ["500 what", "501 5.5.4", "502 no", "503 no", "504 5.7.4 no", "534 5.7.9 weak", "538 5.7.11"] {
            for offered in ["AUTH PLAIN LOGIN", "auth cram-md5 login plain", "AUTH=PLAIN LOGIN"] {
                let (outcome, heard) =
                    outcome(offered, &[refusal, "334 VXNlcm5hbWU6", "334 Password:", "235 ok"]).await;
                assert_eq!(outcome, Ok(()), "{refusal}");
                assert_eq!(heard, [&format!("AUTH PLAIN {PLAIN}"), "AUTH LOGIN", USER, PASSWORD]);
            }
        }
    }

    #[tokio::test]
    async fn a_wrong_password_and_a_busy_server_are_not_asked_another_way() {
        for answer in ["535 5.7.8 bad credentials", "454 4.7.0 later", "421 4.3.2 closing"] {
            let (outcome, heard) = outcome("AUTH PLAIN LOGIN", &[answer]).await;
            assert_eq!(outcome, Err(format!("it answered AUTH PLAIN with {answer}")));
            assert_eq!(heard.len(), 1);
        }
    }

    #[tokio::test]
    async fn what_refuses_every_way_is_told_with_each_answer() {
        let both = ["504 5.7.4 not PLAIN", "334 Name?", "334 Word?", "535 5.7.8 bad credentials"];
        let reason = outcome("AUTH LOGIN PLAIN", &both).await.0.unwrap_err();
        let words =
            "it answered AUTH PLAIN with 504 5.7.4 not PLAIN; it answered AUTH LOGIN with 535 5.7.8 bad credentials";
        assert_eq!(reason, words);
        let gone = outcome("AUTH LOGIN PLAIN", &["504 5.7.4 not PLAIN"]).await.0.unwrap_err();
        assert!(gone.starts_with("it answered AUTH PLAIN with 504 5.7.4 not PLAIN; "), "{gone}");
    }

    #[tokio::test]
    async fn what_no_client_of_this_kind_can_use_is_told_by_its_names() {
        let (refused, heard) = outcome("AUTH CRAM-MD5 xoauth2", &[]).await;
        assert_eq!(refused.unwrap_err(), "it offers only the logins CRAM-MD5, XOAUTH2: expected PLAIN or LOGIN");
        assert_eq!(heard, [""; 0]);
        let none = outcome("SIZE 1000", &[]).await.0.unwrap_err();
        assert_eq!(none, "it offers no login: expected PLAIN or LOGIN");
    }

    #[tokio::test]
    async fn nothing_of_the_login_is_in_a_reason_whatever_the_server_repeats() {
        let repeated = [
            format!("500 unknown command: AUTH PLAIN {PLAIN}"),
            format!("500 UNKNOWN COMMAND: {}", PLAIN.to_uppercase()),
            format!("500 unknown \"AUTH PLAIN {}\"...", &PLAIN[..20]),
            format!("535 no {PASSWORD}."),
            "535 wrong password s3cret-pa55word for shop".to_owned(),
            format!("AUTH PLAIN {PLAIN}"),
        ];
        for answer in repeated {
            let answer: &'static str = answer.leak();
            let reason = outcome("AUTH PLAIN", &[answer]).await.0.unwrap_err();
            let code = answer.split_at(3).0.parse::<u16>();
            let how = code.map_or("what it answered is not SMTP".to_owned(), |code| {
                format!("it answered AUTH PLAIN with {code}")
            });
            assert_eq!(reason, format!("{how} {HIDDEN}"), "{answer}");
        }
    }
}
