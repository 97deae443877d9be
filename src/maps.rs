//! The standard tables under a hash that is quick for short keys.
//!
//! `foldhash` is seeded anew for each table, so whoever writes an input does not know which keys
//! collide; unlike the standard hash it does not withstand somebody who watches the table at work.

use foldhash::fast::RandomState;

/// Values by key.
pub(crate) type HashMap<K, V> = std::collections::HashMap<K, V, RandomState>;

/// A set.
pub(crate) type HashSet<K> = std::collections::HashSet<K, RandomState>;

/// A map that can be asked with a text that is not its own, which the standard one cannot without
/// a copy.
pub(crate) type ByName<T> = hashbrown::HashMap<String, T, RandomState>;
