//! The rows of one role from its files to what became of them, as a flow: a bar that parts into
//! ribbons whose widths are shares of the rows (a Sankey diagram).
//!
//! Drawn for the width of a telephone and enlarged by nobody: a wider screen shows the roles side
//! by side. Colours come from the page's style sheet, which knows light and dark.

use std::fmt::Write;

use super::words::{grouped, percent, share};
use crate::report::InputReport;

/// Width of the drawing, in CSS pixels.
const WIDTH: f64 = 340.0;
/// Height that all rows together take.
const ROWS_HEIGHT: f64 = 132.0;
/// The thinnest ribbon that can be seen: one row among millions is still a row.
const THINNEST: f64 = 1.5;
/// Height of a label of two lines.
const LABEL: f64 = 42.0;
/// From the left: the bar of all rows, the ribbons, the bars of what became of them, the labels.
const BAR: f64 = 12.0;
const RIGHT: f64 = 124.0;
const TEXT: f64 = RIGHT + BAR + 10.0;

/// What became of rows.
#[derive(Clone, Copy)]
pub(super) struct Fate {
    /// The field in the report, and the colour in the style sheet.
    pub(super) name: &'static str,
    pub(super) rows: u64,
}

/// What became of the rows of inputs, the best first.
pub(super) fn fates(inputs: &[&InputReport]) -> [Fate; 7] {
    let sum = |name, rows: fn(&InputReport) -> u64| Fate {
        name,
        rows: inputs.iter().map(|input| rows(input)).sum(),
    };
    [
        sum("released", |input| input.released),
        sum("withheld", |input| input.withheld),
        sum("unmatched", |input| input.unmatched),
        sum("duplicates", |input| input.duplicates),
        sum("barred", |input| input.barred),
        sum("rejected", |input| input.rejected),
        sum("not_sampled", |input| input.not_sampled),
    ]
}

/// What a fate means for rows of a role.
pub(super) fn words(role: &str, fate: &str) -> &'static str {
    match (role, fate) {
        ("opt_outs", "barred") => "In force: bars its person",
        ("opt_outs", "duplicates") => "Said before",
        ("opt_outs", "unmatched") => "For another purpose",
        (_, "released") => "Released",
        (_, "withheld") => "Kept back",
        ("accounts", "unmatched") => "On no list",
        (_, "unmatched") => "Not on the messenger",
        (_, "duplicates") => "Same number again",
        (_, "barred") => "Said no",
        (_, "not_sampled") => "Not in the sample",
        _ => "Could not be read",
    }
}

/// The drawing; nothing where there are no rows.
pub(super) fn drawing(role: &str, fates: &[Fate]) -> Option<String> {
    let all: u64 = fates.iter().map(|fate| fate.rows).sum();
    let some: Vec<_> = fates.iter().filter(|fate| fate.rows > 0).collect();
    if some.is_empty() {
        return None;
    }
    let heights: Vec<_> =
        some.iter().map(|fate| (share(fate.rows, all) * ROWS_HEIGHT).max(THINNEST)).collect();
    let height: f64 = heights.iter().map(|height| height.max(LABEL)).sum();
    let left_height: f64 = heights.iter().sum();
    let mut left = (height - left_height) / 2.0;
    let spoken: Vec<_> = some
        .iter()
        .map(|fate| format!("{} {}", words(role, fate.name), grouped(fate.rows)))
        .collect();
    let mut svg = format!(
        "<svg class=\"flow\" viewBox=\"0 0 {WIDTH} {height:.1}\" role=\"img\" aria-label=\"{}\">\
         <rect class=\"all\" x=\"0\" y=\"{left:.1}\" width=\"{BAR}\" height=\"{left_height:.1}\"/>",
        spoken.join(", ")
    );
    let mut top = 0.0;
    for (fate, thick) in some.iter().zip(heights) {
        let block = thick.max(LABEL);
        let middle = top + block / 2.0;
        let right = middle - thick / 2.0;
        let bend = (BAR + RIGHT) / 2.0;
        let (left_end, right_end) = (left + thick, right + thick);
        let _ = write!(
            svg,
            "<g class=\"f-{}\"><path d=\"M{BAR} {left:.1}C{bend} {left:.1} {bend} {right:.1} \
             {RIGHT} {right:.1}V{right_end:.1}C{bend} {right_end:.1} {bend} {left_end:.1} \
             {BAR} {left_end:.1}Z\"/><rect x=\"{RIGHT}\" y=\"{right:.1}\" width=\"{BAR}\" \
             height=\"{thick:.1}\"/><text x=\"{TEXT}\" y=\"{:.1}\">{}</text>\
             <text class=\"n\" x=\"{TEXT}\" y=\"{:.1}\">{} · {}</text></g>",
            fate.name,
            middle - 3.0,
            words(role, fate.name),
            middle + 14.0,
            grouped(fate.rows),
            percent(fate.rows, all),
        );
        left += thick;
        top += block;
    }
    svg.push_str("</svg>");
    Some(svg)
}
