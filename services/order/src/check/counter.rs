//! Reads a counter from a metrics page.

/// A metric, and the labels that its series must have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counter {
    name: &'static str,
    labels: &'static [(&'static str, &'static str)],
}

impl Counter {
    /// Orders that the broker has confirmed.
    pub(super) const PUBLISHED: Self = Self {
        name: "messaging_published_total",
        labels: &[("routing_key", "order.placed"), ("outcome", "confirmed")],
    };
    /// Cancels that the broker has confirmed.
    pub(super) const CANCEL_PUBLISHED: Self = Self {
        name: "messaging_published_total",
        labels: &[("routing_key", "order.cancelled"), ("outcome", "confirmed")],
    };
    /// Mails that the SMTP server or the log has taken.
    pub(super) const EMAILED: Self = Self { name: "email_sent_total", labels: &[("outcome", "sent")] };
    /// Orders that analytics has counted.
    pub(super) const COUNTED: Self = Self { name: "analytics_orders_total", labels: &[("event", "order.placed")] };

    /// Cancels that analytics has counted.
    pub(super) const CANCEL_COUNTED: Self =
        Self { name: "analytics_orders_total", labels: &[("event", "order.cancelled")] };

    /// The sum of its series on a page in Prometheus' text format. `None` if there is no series.
    pub(super) fn read(&self, page: &str) -> Option<f64> {
        let values: Vec<f64> = page.lines().filter_map(|line| self.value(line)).collect();
        (!values.is_empty()).then(|| values.iter().sum())
    }

    fn value(&self, line: &str) -> Option<f64> {
        let (labels, value) = line.strip_prefix(self.name)?.strip_prefix('{')?.rsplit_once('}')?;
        let has = |(name, value): &(&str, &str)| labels.split(',').any(|label| label == format!("{name}=\"{value}\""));
        if self.labels.iter().all(has) { value.trim().parse().ok() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"# TYPE email_sent_total counter
email_sent_total{outcome="deferred",transport="smtp"} 7
email_sent_total{outcome="sent",transport="log"} 1
email_sent_total{outcome="sent",transport="smtp"} 41
email_sent_total_of_others{outcome="sent"} 100
analytics_orders_total{event="order.cancelled"} 3
"#;

    #[test]
    fn a_counter_is_the_sum_of_the_series_with_its_labels() {
        assert_eq!(Counter::EMAILED.read(PAGE), Some(42.0));
        assert_eq!(Counter::COUNTED.read(PAGE), None);
        assert_eq!(Counter::PUBLISHED.read(""), None);
    }
}
