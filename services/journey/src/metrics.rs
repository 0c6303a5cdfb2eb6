//! Reads metrics as Prometheus does.

use std::collections::BTreeMap;

/// One scrape.
#[derive(Debug, Clone, Default)]
pub struct Metrics(Vec<Series>);

#[derive(Debug, Clone)]
struct Series {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Metrics {
    /// Reads the text format.
    ///
    /// # Panics
    /// If a line is not in this format.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self(lines.map(|line| Series::parse(line).unwrap_or_else(|| panic!("not a series: {line}"))).collect())
    }

    /// The sum of the series of this name that carry these labels and perhaps others; 0 without any.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.find(name, labels).map(|series| series.value).sum()
    }

    /// Whether there is a series of this name that carries these labels.
    pub fn has(&self, name: &str, labels: &[(&str, &str)]) -> bool {
        self.find(name, labels).next().is_some()
    }

    fn find(&self, name: &str, labels: &[(&str, &str)]) -> impl Iterator<Item = &Series> {
        let carries =
            |series: &Series| labels.iter().all(|(key, value)| series.labels.get(*key).is_some_and(|had| had == value));
        self.0.iter().filter(move |series| series.name == name && carries(series))
    }
}

impl Series {
    fn parse(line: &str) -> Option<Self> {
        let (series, value) = line.rsplit_once(' ')?;
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let mut rest = labels.strip_suffix('}')?;
        let mut labels = BTreeMap::new();
        while let Some((key, quoted)) = rest.split_once("=\"") {
            let end = end_of_quoted(quoted)?;
            let value = quoted[..end].replace("\\\"", "\"").replace("\\n", "\n").replace("\\\\", "\\");
            labels.insert(key.to_owned(), value);
            rest = quoted[end + 1..].trim_start_matches(',');
        }
        Some(Self { name: name.to_owned(), labels, value: value.parse().ok()? })
    }
}

fn end_of_quoted(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_are_found_by_some_of_their_labels() {
        let metrics = Metrics::parse("# HELP a b\na{x=\"1\",y=\"with \\\" in it\"} 2\na{x=\"1\",y=\"3\"} 4\nb 5.5\n");
        assert_eq!(metrics.sum("a", &[("x", "1")]), 6.0);
        assert_eq!(metrics.sum("a", &[("y", "with \" in it")]), 2.0);
        assert_eq!(metrics.sum("b", &[]), 5.5);
        assert!(!metrics.has("a", &[("x", "2")]));
    }
}
