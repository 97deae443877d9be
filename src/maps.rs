//! The standard tables under a hash that is quick for short keys.
//!
//! `foldhash` is seeded anew for each table, so whoever writes an input does not know which keys
//! collide; unlike the standard hash it does not withstand somebody who watches the table at work.

use foldhash::fast::RandomState;

/// Values by key.
pub(crate) type HashMap<K, V> = std::collections::HashMap<K, V, RandomState>;

/// A set.
pub(crate) type HashSet<K> = std::collections::HashSet<K, RandomState>;

/// A map that can be asked with something that is only like its keys and borrowed, which the standard
/// one cannot without a copy.
pub(crate) type ByLike<K, V> = hashbrown::HashMap<K, V, RandomState>;

/// Such a map by texts.
pub(crate) type ByName<T> = ByLike<String, T>;

pub(crate) use hashbrown::Equivalent;
