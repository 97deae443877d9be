//! What may leave, where another engine counts?
//!
//! An engine that joins tables of its own brings sums instead of an index: how many numbers a list
//! holds, how many people are alike. What may leave is decided from them as it is from an index.

use super::cells::{self, CellRules, Person, Shown, Who};
use super::{ListSize, WithholdReason};
use crate::join::Attributes;
use crate::policy::Policy;

/// Why a list is withheld whole, by its exact counts: its distinct `numbers`, those of all its
/// recipient's lists added up, and its distinct people who may be counted.
#[must_use]
pub fn withhold_list(
    policy: &Policy,
    numbers: u64,
    recipient_numbers: u64,
    matched: u64,
) -> Option<WithholdReason> {
    let is_too_large = policy.most_list_numbers.is_some_and(|most| recipient_numbers > most);
    ListSize { numbers, is_too_large, matched }.shortfall(&policy.floors)
}

/// People of one recipient whom nothing tells apart: the same is known of them, and they are on the
/// same of its lists.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AlikePeople {
    /// The lists, numbered from 0 in the recipient's own order; each once.
    pub lists: Vec<usize>,
    /// What is known of each.
    pub known: Attributes,
    /// How many they are.
    pub many: u64,
}

/// A group of people, by its place.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Group {
    at: usize,
    many: u64,
}

impl Who for Group {
    fn many(self) -> u64 {
        self.many
    }
}

/// What the people of a recipient's released lists may show, group by group: the same in every list
/// that they are on, or one list would tell what another hides.
#[must_use]
pub fn show_alike(people: &[AlikePeople], policy: &Policy) -> Vec<Shown> {
    let (keep, fewest) = (&policy.attributes.keep, policy.floors.attribute_cell);
    show_by(people, &CellRules { keep, fewest })
}

fn show_by(people: &[AlikePeople], rules: &CellRules<'_>) -> Vec<Shown> {
    let count = people.iter().flat_map(|group| &group.lists).max().map_or(0, |&most| most + 1);
    let mut lists: Vec<Vec<Person<Group>>> = vec![Vec::new(); count];
    for (at, group) in people.iter().enumerate() {
        for &list in &group.lists {
            lists[list].push((Group { at, many: group.many }, group.known));
        }
    }
    let mut shown = vec![Shown::default(); people.len()];
    for (list, of_list) in lists.iter().zip(cells::show(&lists, rules)) {
        for ((group, _), it) in list.iter().zip(of_list) {
            shown[group.at] = it;
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Secret;
    use crate::normalise::Region;
    use crate::policy::Attribute;
    use crate::privacy::noise::Stream;

    #[test]
    fn groups_show_what_their_people_would_show_one_by_one() {
        let secret = Secret::from_file_content(&[7; 32]).unwrap();
        let mut stream = Stream::new(&secret, "test", &[b"groups"]);
        let mut below = |most: u64| usize::try_from(stream.number_below(most)).unwrap();
        let mut hidden = 0;
        for world in 0..200 {
            let lists = 1 + world % 3;
            let mut groups: Vec<AlikePeople> = Vec::new();
            for region in ["DE", "GB"] {
                for os in ["Android 13", "Android 14", "iOS 17", ""] {
                    for on in 1..1_usize << lists {
                        let known = Attributes::from_cells(os.as_bytes(), b"phone")
                            .in_region(Region::from_code(region.as_bytes()).unwrap());
                        let on = (0..lists).filter(|list| on >> list & 1 == 1).collect();
                        let many = below(6) as u64;
                        groups.push(AlikePeople { lists: on, known, many });
                    }
                }
            }
            groups.retain(|group| group.many > 0);
            let keep = [Attribute::Region, Attribute::Os, Attribute::OsVersion];
            let rules = CellRules { keep: &keep, fewest: 1 + below(9) as u64 };
            let mut singles: Vec<Vec<Person<u32>>> = vec![Vec::new(); lists];
            let mut group_of = Vec::new();
            for (at, group) in groups.iter().enumerate() {
                for _ in 0..group.many {
                    let who = u32::try_from(group_of.len()).unwrap();
                    group_of.push(at);
                    group.lists.iter().for_each(|&list| singles[list].push((who, group.known)));
                }
            }
            let shown = show_by(&groups, &rules);
            for (people, of_list) in singles.iter().zip(cells::show(&singles, &rules)) {
                for ((who, _), it) in people.iter().zip(of_list) {
                    assert_eq!(shown[group_of[*who as usize]], it);
                    hidden += usize::from(it == Shown::default());
                }
            }
        }
        assert!(hidden > 100, "{hidden}");
    }
}
