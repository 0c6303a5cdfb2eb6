//! The content of a mail: its subject, its two bodies, and its line in the log.

use std::fmt;

use contract::{Email, Money, Order};

/// A mail to be sent.
#[derive(Clone, Copy, Debug)]
pub enum Mail<'a> {
    /// The confirmation of an order, to its customer.
    Order(&'a Order),
    /// A text of unknown origin, to the address for such texts.
    Text {
        /// Any text.
        text: &'a str,
        /// The recipient; `None` writes it to the log.
        to: Option<&'a Email>,
    },
}

/// The most characters of a text in a log line.
const LOGGED: usize = 200;

/// One line for the log in place of the mail, without a whole address: `order 019… — 2 × Earl Grey, 9.00 EUR, to
/// a***@example.com`, or the text.
impl fmt::Display for Mail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Order(order) => {
                let (first, others) = order.items().split_first().expect("an order has an item");
                write!(f, "order {} — {} × {}", order.id(), first.quantity(), first.name())?;
                match others.len() {
                    0 => {}
                    1 => f.write_str(" and 1 other item")?,
                    count => write!(f, " and {count} other items")?,
                }
                write!(f, ", {}, to {}", order.total(), order.customer().email())
            }
            Self::Text { text, .. } => {
                // A line break in the text would forge a log line.
                let tame = |c: char| if c.is_control() { ' ' } else { c };
                text.trim().chars().take(LOGGED).map(tame).try_for_each(|c| write!(f, "{c}"))
            }
        }
    }
}

impl Mail<'_> {
    /// The recipient: a name, if known, and an address.
    pub fn recipient(&self) -> Option<(Option<&str>, &Email)> {
        match self {
            Self::Order(order) => Some((Some(order.customer().name()), order.customer().email())),
            Self::Text { to, .. } => to.map(|to| (None, to)),
        }
    }

    /// The subject. It is ASCII, and contains nothing that a client chose.
    pub fn subject(&self) -> String {
        match self {
            Self::Order(order) => format!("Your order {}", order.id()),
            Self::Text { .. } => "New order".to_owned(),
        }
    }

    /// The body as plain text.
    pub fn text(&self) -> String {
        match self {
            Self::Order(order) => {
                let lines: String = lines(order).map(|(line, price)| format!("  {line}: {price}\n")).collect();
                format!(
                    "Hello {},\n\nthank you for your order {}.\n\n{lines}\nTotal: {}\n",
                    order.customer().name(),
                    order.id(),
                    order.total()
                )
            }
            Self::Text { text, .. } => format!("{}\n", with_plain_breaks(text)),
        }
    }

    /// The body as HTML. Text from a client is escaped.
    pub fn html(&self) -> String {
        let body = match self {
            Self::Order(order) => order_html(order),
            Self::Text { text, .. } => format!("<pre>{}</pre>", escaped(&with_plain_breaks(text))),
        };
        format!("<!DOCTYPE html>\n<html lang=\"en\">\n<body>\n{body}\n</body>\n</html>\n")
    }
}

/// Replaces a lone CR. It is a line break to some servers and not to others, and smuggling a mail needs both kinds of
/// servers.
fn with_plain_breaks(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

fn order_html(order: &Order) -> String {
    let rows: String = lines(order)
        .map(|(line, price)| format!("<tr><td>{}</td><td align=\"right\">{price}</td></tr>\n", escaped(&line)))
        .collect();
    format!(
        "<p>Hello {},</p>\n<p>thank you for your order {}.</p>\n<table>\n{rows}\
         <tr><th align=\"left\">Total</th><th align=\"right\">{}</th></tr>\n</table>",
        escaped(order.customer().name()),
        order.id(),
        order.total()
    )
}

/// `2 × Earl Grey` and their price, for each item.
fn lines(order: &Order) -> impl Iterator<Item = (String, Money)> {
    order.items().iter().map(|item| {
        let price = Money::new(item.price(), order.currency());
        (format!("{} × {}", item.quantity(), item.name()), price)
    })
}

fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{order, tea_order};

    #[test]
    fn the_log_shows_what_was_ordered_and_masks_the_address() {
        let order = tea_order();
        let expected = format!("order {} — 2 × Earl Grey, 9.00 EUR, to a***@example.com", order.id());
        assert_eq!(Mail::Order(&order).to_string(), expected);
    }

    #[test]
    fn the_log_counts_the_other_items() {
        let pot = ("Pot", 1, 1250);
        let line = |items: &[_]| Mail::Order(&order("Ada", "ada@example.com", items)).to_string();
        let two = line(&[pot, pot]);
        assert!(two.ends_with("— 1 × Pot and 1 other item, 25.00 EUR, to a***@example.com"), "{two}");
        let three = line(&[pot, pot, pot]);
        assert!(three.ends_with("— 1 × Pot and 2 other items, 37.50 EUR, to a***@example.com"), "{three}");
    }

    #[test]
    fn a_text_is_one_short_line_in_the_log() {
        let logged = |text| Mail::Text { text, to: None }.to_string();
        assert_eq!(logged("NEW ORDER CREATED"), "NEW ORDER CREATED");
        assert_eq!(logged("one\r\n2026 ERROR forged\u{1b}[31m\n"), "one  2026 ERROR forged [31m");
        assert_eq!(logged(&"é".repeat(1000)).chars().count(), LOGGED);
    }

    #[test]
    fn both_bodies_have_each_line_and_the_total() {
        let order = tea_order();
        let (text, html) = (Mail::Order(&order).text(), Mail::Order(&order).html());
        assert!(text.contains("  2 × Earl Grey: 9.00 EUR\n") && text.contains("Total: 9.00 EUR\n"), "{text}");
        assert!(html.contains("<td>2 × Earl Grey</td><td align=\"right\">9.00 EUR</td>"), "{html}");
        assert!(html.contains("Total</th><th align=\"right\">9.00 EUR</th>"), "{html}");
    }

    #[test]
    fn html_that_a_client_sent_is_shown_and_not_obeyed() {
        let order = order("<b>&\"Ada", "ada@example.com", &[("<img src=x onerror='a'>", 1, 1)]);
        let html = Mail::Order(&order).html();
        assert!(html.contains("Hello &lt;b&gt;&amp;&quot;Ada,"), "{html}");
        assert!(html.contains("1 × &lt;img src=x onerror=&#39;a&#39;&gt;</td>"), "{html}");
        let html = Mail::Text { text: "</pre><script>", to: None }.html();
        assert!(html.contains("<pre>&lt;/pre&gt;&lt;script&gt;</pre>"), "{html}");
    }
}
