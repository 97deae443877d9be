//! What becomes of a world from one night to the next?
//!
//! Night 0 is the world as its seed draws it. Every later night a few accounts are deleted, get
//! another number or are new, list rows go and come, and two people more have opted out. Whether
//! something has happened to a row is a function of (seed, row, night), and what has happened stays
//! so: night 5 is night 4 and one night more, and each can be written without those before it.
//!
//! The two who opt out are people whom the night before released: a list row that is no junk, an
//! account that did not deny and is still there, and no earlier opt-out. Where a world has no such
//! people left, any account opts out.
//!
//! Indices of people who come later lie behind those of night 0, in stretches that are as long as
//! all nights need, so that nobody's number depends on how many nights have passed.

use super::People;
use super::random::Stream;
use crate::dates::Day;

/// The latest night: a year of them.
pub const MOST_NIGHTS: u32 = 366;

/// The day of night 0. Later ones are as many days later, and so are dates of what happened then.
pub const FIRST_DAY: &str = "2026-11-01";

/// People who opt out each night.
const LEAVING: u64 = 2;

/// Share of accounts that are deleted in a night.
const DELETED: f64 = 0.001;
/// Share of accounts that get another number in a night, which nobody had.
const RENUMBERED: f64 = 0.0005;
/// Share of list rows that go in a night.
const DROPPED: f64 = 0.005;

/// Somebody who came or said no on a later night.
pub(super) struct Later {
    pub(super) person: u64,
    pub(super) day: Day,
}

impl People<'_> {
    /// The person whom an account of night 0 belongs to by now; none when it is deleted.
    pub(super) fn owner(&self, account: u64) -> Option<u64> {
        let night = self.world.night;
        match self.happened(Stream::Deleted, account, DELETED, night) {
            true => None,
            false if self.happened(Stream::Renumbered, account, RENUMBERED, night) => {
                Some(self.behind() + account)
            }
            false => Some(account),
        }
    }

    /// Accounts that are new since night 0, oldest first. Every other one belongs to somebody whom
    /// the list already names, where there is such a person.
    pub(super) fn registered(&self) -> impl Iterator<Item = Later> + '_ {
        let a_night = registered_a_night(self.world.accounts);
        (0..u64::from(self.world.night) * a_night).map(move |serial| {
            let stranger = self.behind() + self.world.accounts + serial;
            let row = (serial % 2 == 1 && serial / 2 < self.world.list)
                .then(|| self.hoped_for.apply(serial / 2));
            let listed = row.filter(|row| self.listed(*row) == self.world.accounts + row);
            let person = listed.map_or(stranger, |row| self.world.accounts + row);
            Later { person, day: day(serial / a_night + 1) }
        })
    }

    /// Whether a list row of night 0 is gone.
    pub(super) fn is_dropped(&self, row: u64) -> bool {
        self.happened(Stream::Dropped, row, DROPPED, self.world.night)
    }

    /// Whom the list rows that are new since night 0 are about, oldest first.
    pub(super) fn added(&self) -> impl Iterator<Item = u64> + '_ {
        let world = self.world;
        let first = self.behind()
            + world.accounts
            + u64::from(MOST_NIGHTS) * registered_a_night(world.accounts);
        (0..u64::from(world.night) * added_a_night(world.list)).map(move |serial| {
            let mut random = self.random(Stream::Added, serial);
            match world.accounts > 0 && random.chance(world.overlap) {
                true => random.below(world.accounts),
                false => first + serial,
            }
        })
    }

    /// Who opted out since night 0, oldest first.
    pub(super) fn left(&self) -> Vec<Later> {
        let mut left: Vec<Later> = Vec::new();
        let mut rows = (0..self.world.list).map(|at| self.leaving.apply(at));
        for serial in 0..u64::from(self.world.night) * LEAVING {
            let night = serial / LEAVING + 1;
            let next = rows.find(|&row| {
                let is_new = left.iter().all(|earlier| earlier.person != self.listed(row));
                is_new && self.is_released(row, night)
            });
            let anybody = || self.opted_out(self.world.opt_outs + serial);
            let person = next.map_or_else(anybody, |row| self.listed(row));
            left.push(Later { person, day: day(night) });
        }
        left
    }

    fn is_released(&self, row: u64, night: u64) -> bool {
        let (world, person) = (self.world, self.listed(row));
        let night = u32::try_from(night).unwrap_or(u32::MAX);
        person < world.accounts
            && !self.is_junk(row)
            && !self.denies(person)
            && !self.happened(Stream::Dropped, row, DROPPED, night)
            && !self.happened(Stream::Deleted, person, DELETED, night)
            && !self.happened(Stream::Renumbered, person, RENUMBERED, night)
            && (0..world.opt_outs).all(|earlier| self.opted_out(earlier) != person)
    }

    /// Whether something that has a chance of `share` each night has happened by a night.
    fn happened(&self, stream: Stream, row: u64, share: f64, by: u32) -> bool {
        let mut random = self.random(stream, row);
        (0..by).any(|_| random.chance(share))
    }

    /// The first index that night 0 has no use for.
    fn behind(&self) -> u64 {
        self.world.accounts + self.world.list + self.world.opt_outs
    }
}

/// How many indices later nights use.
pub(super) fn indices(accounts: u64, list: u64) -> u64 {
    let a_night = registered_a_night(accounts).saturating_add(added_a_night(list));
    accounts.saturating_add(u64::from(MOST_NIGHTS).saturating_mul(a_night))
}

const fn registered_a_night(accounts: u64) -> u64 {
    accounts.div_ceil(500)
}

const fn added_a_night(list: u64) -> u64 {
    list.div_ceil(180)
}

fn day(night: u64) -> Day {
    let first = Day::from_text(FIRST_DAY).unwrap_or(Day::from_number(0));
    first.plus(u32::try_from(night).unwrap_or(u32::MAX))
}
