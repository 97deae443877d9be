//! The page for an advertiser: what `summary.json` says of its lists, and nothing else.
//!
//! No time, no count, nothing of other advertisers: same inputs, same bytes, and twin worlds that
//! differ in who opted out look alike on it.

use std::fmt::Write;

use super::words::{Escaped, grouped, share};
use super::{begin, end};

/// One list, as its advertiser is told of it.
#[derive(Clone, Copy, Debug)]
pub struct ToldList<'a> {
    /// The advertiser's own name of it.
    pub list_id: &'a str,
    /// From (inclusive) and below (exclusive) so many people; none when nothing is told.
    pub band: Option<[u64; 2]>,
}

/// The page of one advertiser.
#[must_use]
pub fn advertiser(recipient: &str, purpose: &str, lists: &[ToldList<'_>]) -> String {
    let mut html = begin(&format!("{recipient}: audiences"));
    let _ = write!(
        html,
        "<header><p class=\"kind\">Audiences · {}</p><h1>{}</h1></header>\n\
         <section><h2>Your lists</h2><ol class=\"bars\">",
        Escaped(&purpose.replace('_', " ")),
        Escaped(recipient),
    );
    let widest = lists.iter().filter_map(|list| list.band).map(|band| band[1]).max().unwrap_or(1);
    for list in lists {
        let told = match list.band {
            Some([from, below]) => format!("<b>{} to {}</b> people", grouped(from), grouped(below)),
            None => "withheld".to_owned(),
        };
        let [from, below] = list.band.unwrap_or_default();
        let _ = write!(
            html,
            "<li><span>{}</span><span class=\"n\">{told}</span><span class=\"bar\">\
             <i class=\"b-released\" style=\"margin-left:{:.2}%;width:{:.2}%\"></i></span></li>",
            Escaped(list.list_id),
            share(from, widest) * 100.0,
            share(below - from, widest) * 100.0,
        );
    }
    html.push_str("</ol></section>\n<section><h2>How to read this</h2>\
         <p>Each size is a range and no count; as a rule random noise was added before. The same list is \
         told the same range again, and a list that is nearly the same as an earlier one is told \
         the earlier one’s: so a range changes later than the list does.</p>\
         <p>A list is <i>withheld</i> when it has too few numbers, when too few of its people can \
         be reached, or when that is too close to tell. Nobody who said no is in any figure, and \
         no range says whether a given person is a member.</p></section>");
    end(&mut html, "This page holds ranges only, and nothing about any person.");
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_advertiser_reads_ranges_and_no_list_without_one() {
        let lists = [
            ToldList { list_id: "spring", band: Some([250, 500]) },
            ToldList { list_id: "<b>", band: None },
        ];
        let html = advertiser("acme", "ads", &lists);
        assert!(html.contains("<b>250 to 500</b> people"));
        assert!(html.contains("&lt;b&gt;</span><span class=\"n\">withheld"));
        assert!(html.contains("margin-left:50.00%;width:50.00%"));
        assert_eq!(html, advertiser("acme", "ads", &lists));
        assert!(advertiser("acme", "ads", &[]).contains("acme"));
    }
}
