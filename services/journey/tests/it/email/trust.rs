//! Encryption, certificates and logins.

use journey::{Authority, Folder, SmtpOptions, SmtpServer};

use super::office::Office;

#[tokio::test]
async fn mail_goes_encrypted_to_a_server_that_we_can_verify() {
    let authority = Authority::new("mail authority");
    let folder = Folder::fresh();
    let ca = folder.file("ca.pem", authority.pem());
    let identity = authority.certify(&["localhost"]);
    for (options, scheme, query) in [
        (SmtpOptions::new().starttls(&identity), "smtp", "?tls=required"),
        (SmtpOptions::new().starttls(&identity), "smtp", ""),
        (SmtpOptions::new().tls(&identity), "smtps", ""),
    ] {
        let smtp = SmtpServer::start(options);
        let url = format!("{scheme}://localhost:{}{query}", smtp.port());
        let office = Office::with(smtp, &[("SMTP_URL", &url), ("SMTP_CA_FILE", ca.to_str().unwrap())]).await;
        office.place("Ada").await;
        assert!(office.mails(1).await[0].was_encrypted(), "{url}");
    }
}

#[tokio::test]
async fn a_server_that_we_cannot_verify_gets_nothing() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let folder = Folder::fresh();
    let ca = folder.file("ca.pem", ours.pem());
    for (identity, reason) in [
        (theirs.certify(&["localhost"]), "UnknownIssuer"),
        (ours.certify(&["mail.example.com"]), "not valid for name"),
        (ours.certify_expired(&["localhost"]), "expired"),
    ] {
        let smtp = SmtpServer::start(SmtpOptions::new().starttls(&identity));
        let office = Office::with(smtp, &[("SMTP_CA_FILE", ca.to_str().unwrap())]).await;
        office.place("Ada").await;
        office.paused(reason).await;
        assert_eq!(office.smtp.mails().len(), 0);
        office.assert_no_order_was_blamed().await;
    }
}

#[tokio::test]
async fn without_a_password_mail_goes_encrypted_to_whoever_answers_and_that_is_told_once() {
    let theirs = Authority::new("snakeoil");
    let smtp = SmtpServer::start(SmtpOptions::new().starttls(&theirs.certify(&["another.name"])));
    let office = Office::with(smtp, &[("SMTP_CONNECTIONS", "3")]).await;
    for number in 0..10 {
        office.place(&format!("Customer {number}")).await;
    }
    let mails = office.mails(10).await;
    assert!(mails.iter().all(journey::Delivered::was_encrypted), "{mails:?}");
    assert_eq!(office.email.log().matches("nobody vouches for").count(), 1, "{}", office.email.log());
    office.assert_no_order_was_blamed().await;
}

#[tokio::test]
async fn where_it_has_to_be_verified_the_reason_says_what_to_set() {
    let theirs = Authority::new("snakeoil");
    let smtp = SmtpServer::start(SmtpOptions::new().starttls(&theirs.certify(&["localhost"])));
    let url = format!("{}?tls=required", smtp.url());
    let office = Office::with(smtp, &[("SMTP_URL", &url)]).await;
    office.place("Ada").await;
    office.paused("UnknownIssuer; SMTP_CA_FILE names authorities that may vouch for it, and ?tls= in SMTP_URL").await;
    assert_eq!(office.smtp.mails().len(), 0);
    office.assert_no_order_was_blamed().await;
}

#[tokio::test]
async fn a_renewed_file_of_authorities_counts_without_a_restart() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let folder = Folder::fresh();
    let ca = folder.file("ca.pem", old.pem());
    let smtp = SmtpServer::start(SmtpOptions::new().starttls(&new.certify(&["localhost"])));
    let office = Office::with(smtp, &[("SMTP_CA_FILE", ca.to_str().unwrap())]).await;
    office.place("Ada").await;
    office.paused("UnknownIssuer").await;
    folder.file("ca.pem", new.pem());
    assert!(office.mails(1).await[0].was_encrypted());
    office.assert_no_order_was_blamed().await;
}

#[tokio::test]
async fn a_password_is_not_sent_in_the_clear_unless_we_say_so() {
    let smtp = SmtpServer::start(SmtpOptions::new().login("ada", "pass:word"));
    let url = format!("smtp://ada:pass%3Aword@localhost:{}", smtp.port());
    let office = Office::with(smtp, &[("SMTP_URL", &url)]).await;
    office.place("Ada").await;
    office.paused("STARTTLS is not supported").await;

    let smtp = SmtpServer::start(SmtpOptions::new().login("ada", "pass:word"));
    let url = format!("smtp://ada:pass%3Aword@localhost:{}?tls=none", smtp.port());
    let office = Office::with(smtp, &[("SMTP_URL", &url)]).await;
    office.place("Ada").await;
    assert_eq!(office.mails(1).await[0].login(), Some("ada"));
}

#[tokio::test]
async fn a_wrong_password_pauses_until_the_server_takes_it() {
    let authority = Authority::new("mail authority");
    let folder = Folder::fresh();
    let ca = folder.file("ca.pem", authority.pem());
    let smtp = SmtpServer::start(SmtpOptions::new().starttls(&authority.certify(&["localhost"])).login("ada", "old"));
    let url = format!("smtp://ada:new@localhost:{}", smtp.port());
    let mut office = Office::with(smtp, &[("SMTP_URL", &url), ("SMTP_CA_FILE", ca.to_str().unwrap())]).await;
    for number in 0..12 {
        office.place(&format!("Customer {number}")).await;
    }
    office.paused("535 5.7.8").await;
    assert!(!office.email.log().contains(":new@"));
    office.smtp.change_password("new");
    let mails = office.mails(12).await;
    assert!(mails.iter().all(|mail| mail.was_encrypted() && mail.login() == Some("ada")), "{mails:?}");
    office.assert_no_order_was_blamed().await;
}
