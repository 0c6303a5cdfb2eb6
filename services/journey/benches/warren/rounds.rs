//! Figures of several rounds, and the table that is printed of them.

/// One contender's figures in one row, a figure a round.
#[derive(Default)]
pub(crate) struct Figures(Vec<f64>);

impl Figures {
    /// Notes another round's figure.
    pub(crate) fn push(&mut self, figure: f64) {
        self.0.push(figure);
    }

    /// The middle figure; of an even number of rounds the lower middle.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[(sorted.len() - 1) / 2]
    }

    /// Median with the lowest and the highest round behind it, in `unit`s.
    pub(crate) fn show(&self, unit: &str) -> String {
        if self.0.is_empty() {
            return "–".into();
        }
        let lowest = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = self.0.iter().copied().fold(0.0, f64::max);
        format!("{}{unit} ({}–{})", short(self.median()), short(lowest), short(highest))
    }

    /// `self` against `other`, both by their medians; a dash where there is no other.
    pub(crate) fn against(&self, other: &Self) -> String {
        if self.0.is_empty() || other.0.is_empty() {
            return "–".into();
        }
        format!("{:.2}×", self.median() / other.median())
    }
}

/// A figure with three places that mean something: `48,300`, `12.4`, `0.53`.
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

/// Prints rows under a head in columns as wide as their widest cell.
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
