//! The figures of several rounds, and the table in which they are printed.

/// The figures of one contender in one row, one for each round.
#[derive(Default)]
pub(crate) struct Figures(Vec<f64>);

impl Figures {
    /// Adds the figure of another round.
    pub(crate) fn push(&mut self, figure: f64) {
        self.0.push(figure);
    }

    /// The middle figure. If the number of rounds is even, it is the lower one of the two in the middle.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[(sorted.len() - 1) / 2]
    }

    /// The median in `unit`s, followed by the lowest and the highest round.
    pub(crate) fn show(&self, unit: &str) -> String {
        if self.0.is_empty() {
            return "–".into();
        }
        let lowest = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = self.0.iter().copied().fold(0.0, f64::max);
        format!("{}{unit} ({}–{})", short(self.median()), short(lowest), short(highest))
    }

    /// The median of `self` divided by that of `other`; a dash if one of them has no figures.
    pub(crate) fn against(&self, other: &Self) -> String {
        if self.0.is_empty() || other.0.is_empty() {
            return "–".into();
        }
        format!("{:.2}×", self.median() / other.median())
    }
}

/// A figure with at least three significant digits: `48,312`, `12.4`, `0.53`.
fn short(figure: f64) -> String {
    if figure < 10.0 {
        return format!("{figure:.2}");
    }
    if figure < 100.0 {
        return format!("{figure:.1}");
    }
    let whole = format!("{figure:.0}");
    let mut text = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Prints a table, whose first row is its head. Each column is as wide as its widest cell.
pub(crate) fn print(title: &str, rows: &[Vec<String>]) {
    println!("\n{title}");
    let widths: Vec<usize> = (0..rows[0].len())
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}", width = *width)).collect();
        println!("  {}", cells.join("  ").trim_end());
    }
}
