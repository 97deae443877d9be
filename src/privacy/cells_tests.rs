//! No cell below k, in random lists that share people.

use super::*;
use crate::key::Secret;
use crate::privacy::noise::Stream;

impl Who for u32 {}

const REGIONS: [&str; 4] = ["DE", "GB", "US", "FR"];
const SYSTEMS: [&str; 6] = ["Android 13", "Android 14", "iOS 17", "iOS", "KaiOS 3", ""];
const DEVICES: [&str; 3] = ["phone", "tablet", ""];

/// So many people with drawn attributes, the first ones of each kind being common.
fn people(count: u32, below: &mut impl FnMut(usize) -> usize) -> Vec<Person<u32>> {
    let mut pick = |from: &[&'static str]| {
        let most = 1 + below(from.len());
        from[below(most)]
    };
    (0..count)
        .map(|who| {
            let (os, device) = (pick(&SYSTEMS), pick(&DEVICES));
            let region = Region::from_code(pick(&REGIONS).as_bytes()).unwrap();
            let known = Attributes::from_cells(os.as_bytes(), device.as_bytes());
            (who, known.in_region(region))
        })
        .collect()
}

const ALL: [Attribute; 4] =
    [Attribute::Region, Attribute::Os, Attribute::OsVersion, Attribute::Device];

fn rules(fewest: u64) -> CellRules<'static> {
    CellRules { keep: &ALL, fewest }
}

#[test]
fn no_cell_of_any_list_is_below_k_and_no_list_tells_what_another_hides() {
    let secret = Secret::from_file_content(&[7; 32]).unwrap();
    let mut stream = Stream::new(&secret, "test", &[b"cells"]);
    let mut below = |limit: usize| usize::try_from(stream.number_below(limit as u64)).unwrap();
    let (mut kept, mut hidden_together) = (0, 0);
    for world in 0..400 {
        let k = 1 + below(9);
        let most = u32::try_from(1 + below(80)).unwrap();
        let everybody = people(most, &mut below);
        let lists: Vec<Vec<Person<u32>>> = (0..1 + world % 3)
            .map(|_| {
                let share = 1 + below(4);
                everybody.iter().copied().filter(|_| below(4) < share).collect()
            })
            .collect();
        let shown = show(&lists, &rules(k as u64));
        let mut by_person: HashMap<u32, Shown> = HashMap::default();
        for (list, shown) in lists.iter().zip(&shown) {
            let mut cells: BTreeMap<Shown, usize> = BTreeMap::new();
            for ((who, known), shown) in list.iter().zip(shown) {
                *cells.entry(*shown).or_default() += 1;
                assert_eq!(*by_person.entry(*who).or_insert(*shown), *shown);
                assert!(shown.region.is_none_or(|region| known.region() == Some(region)));
                assert!(shown.os.is_none_or(|os| known.os() == Some(os)));
                assert!(shown.os_version.is_none_or(|it| known.os_version() == Some(it)));
                assert!(shown.device.is_none_or(|device| known.device() == Some(device)));
                kept += usize::from(*shown != Shown::default());
            }
            for (cell, people) in cells {
                let is_whole = cell == Shown::default() && people == list.len();
                assert!(people >= k || is_whole, "{people} of {} with k {k}", list.len());
                hidden_together += usize::from(is_whole && people < k);
            }
        }
    }
    assert!(kept > 1000 && hidden_together > 5, "{kept} {hidden_together}");
}

#[test]
fn a_person_who_is_hidden_in_a_small_list_is_hidden_in_a_large_one() {
    let mut pick = |_| 0;
    let everybody = people(20, &mut pick);
    let few = everybody[..3].to_vec();
    let shown = show(&[everybody.clone(), few], &rules(5));
    assert_eq!(shown[1], [Shown::default(); 3]);
    // Two more go with the three, so that what hides in the large list is no cell below k either.
    let hidden = shown[0].iter().filter(|shown| **shown == Shown::default()).count();
    assert!(hidden >= 5 && shown[0][..3] == [Shown::default(); 3], "{hidden}");
    let alone = show(&[everybody], &rules(5));
    assert!(alone[0].iter().all(|shown| shown.region.is_some()));
}

#[test]
fn a_limit_of_nobody_keeps_everything() {
    let mut pick = |_| 0;
    let everybody = people(2, &mut pick);
    let shown = show(&[everybody], &rules(0));
    assert!(shown[0].iter().all(|shown| shown.region.is_some()));
}
