//! What is known of a person beside the number, in six bytes.
//!
//! Cells are read into closed sets, so that no text of an input can come out through them.

use std::hash::{Hash, Hasher};

use crate::normalise::Region;

macro_rules! closed_set {
    ($(#[$doc:meta])* $set:ident { $($variant:ident = $name:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
        #[repr(u8)]
        pub enum $set {
            /// Nothing is known.
            #[default]
            Unknown,
            $(
                #[doc = concat!("`", $name, "` in outputs.")]
                $variant,
            )*
            /// The person's rows disagree.
            Mixed,
        }

        impl $set {
            const ALL: &[Self] = &[Self::Unknown, $(Self::$variant,)* Self::Mixed];

            /// The inverse of `as u32`.
            fn from_place(place: u32) -> Self {
                Self::ALL.get(place as usize).copied().unwrap_or(Self::Mixed)
            }

            /// The name in outputs; none for what is unknown or mixed.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    Self::Unknown | Self::Mixed => None,
                    $(Self::$variant => Some($name),)*
                }
            }

            /// The value itself; none for what is unknown or mixed.
            fn known(self) -> Option<Self> {
                self.name().map(|_| self)
            }

            fn merge(self, other: Self) -> Self {
                if self == other || other == Self::Unknown {
                    self
                } else if self == Self::Unknown {
                    other
                } else {
                    Self::Mixed
                }
            }
        }
    };
}

closed_set! {
    /// Operating system family, in the order of names.
    Os {
        Android = "android", Ios = "ios", Kaios = "kaios", Linux = "linux", Macos = "macos",
        Other = "other", Web = "web", Windows = "windows",
    }
}

closed_set! {
    /// Device class, in the order of names.
    Device {
        Desktop = "desktop", Other = "other", Phone = "phone", Tablet = "tablet",
        Wearable = "wearable", Web = "web",
    }
}

/// Region, operating system and device of a person. Merging is commutative and associative, and
/// rows that disagree cancel each other, so the order of rows never shows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Attributes {
    region: Option<Region>,
    os: Os,
    os_version: Version,
    device: Device,
}

/// Major version of an operating system: 0 when unknown, 255 when rows disagree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
struct Version(u8);

impl Version {
    const MIXED: Self = Self(u8::MAX);

    fn merge(self, other: Self) -> Self {
        match (self, other) {
            (one, other) if one == other || other.0 == 0 => one,
            (Self(0), other) => other,
            _ => Self::MIXED,
        }
    }
}

/// As one word, which is hashed at once.
impl Hash for Attributes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.to_bits().hash(state);
    }
}

impl Attributes {
    /// Nothing is known.
    pub(super) const NOTHING: Self =
        Self { region: None, os: Os::Unknown, os_version: Version(0), device: Device::Unknown };

    /// All of it in one word: two bytes of region, one of version, four bits of system and device.
    pub(super) const fn to_bits(self) -> u32 {
        let [a, b] = match self.region {
            Some(region) => region.to_bytes(),
            None => [0, 0],
        };
        let kinds = (self.os as u8) << 4 | self.device as u8;
        u32::from_be_bytes([a, b, self.os_version.0, kinds])
    }

    /// The inverse of [`Attributes::to_bits`].
    pub(super) fn from_bits(bits: u32) -> Self {
        const { assert!(Os::ALL.len() <= 16 && Device::ALL.len() <= 16) };
        let [a, b, version, kinds] = bits.to_be_bytes();
        Self {
            region: (a != 0).then(|| Region::from_bytes([a, b])),
            os: Os::from_place(u32::from(kinds >> 4)),
            os_version: Version(version),
            device: Device::from_place(u32::from(kinds & 15)),
        }
    }

    /// Reads the cells of an account row: `Android 14`, `iOS 17.5.1`, `phone`.
    #[must_use]
    pub fn from_cells(os: &[u8], device: &[u8]) -> Self {
        let (os, os_version) = read_os(os);
        Self { region: None, os, os_version, device: read_device(device) }
    }

    /// The same in a region.
    #[must_use]
    pub const fn in_region(mut self, region: Region) -> Self {
        self.region = Some(region);
        self
    }

    /// Takes in what another row of the same person says.
    pub fn merge(&mut self, other: Self) {
        if self.region.is_none() {
            self.region = other.region;
        }
        self.os = self.os.merge(other.os);
        self.os_version = self.os_version.merge(other.os_version);
        self.device = self.device.merge(other.device);
    }

    /// Territory of the number.
    #[must_use]
    pub const fn region(&self) -> Option<Region> {
        self.region
    }

    /// Operating system family.
    #[must_use]
    pub fn os(&self) -> Option<Os> {
        self.os.known()
    }

    /// Major version of the operating system, where the family is known too.
    #[must_use]
    pub fn os_version(&self) -> Option<u8> {
        let known = self.os.name().is_some() && self.os_version.0 != 0;
        (known && self.os_version != Version::MIXED).then_some(self.os_version.0)
    }

    /// Device class.
    #[must_use]
    pub fn device(&self) -> Option<Device> {
        self.device.known()
    }
}

fn read_os(cell: &[u8]) -> (Os, Version) {
    const NAMES: [(&[u8], Os); 11] = [
        (b"android", Os::Android),
        (b"iphone", Os::Ios),
        (b"ipados", Os::Ios),
        (b"ios", Os::Ios),
        (b"kaios", Os::Kaios),
        (b"windows", Os::Windows),
        (b"macos", Os::Macos),
        (b"mac", Os::Macos),
        (b"linux", Os::Linux),
        (b"web", Os::Web),
        (b"browser", Os::Web),
    ];
    let cell = cell.trim_ascii();
    if cell.is_empty() {
        return (Os::Unknown, Version::default());
    }
    let known = NAMES.iter().find(|(name, _)| {
        cell.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
    });
    let Some((name, os)) = known else { return (Os::Other, Version::default()) };
    let rest = &cell[name.len()..];
    let start = rest.iter().position(u8::is_ascii_digit).unwrap_or(rest.len());
    let major = rest[start..].iter().take_while(|byte| byte.is_ascii_digit());
    let major =
        major.fold(0u8, |version, digit| version.saturating_mul(10).saturating_add(digit - b'0'));
    (*os, if major == u8::MAX { Version::default() } else { Version(major) })
}

fn read_device(cell: &[u8]) -> Device {
    const NAMES: [(&[u8], Device); 14] = [
        (b"phone", Device::Phone),
        (b"smartphone", Device::Phone),
        (b"mobile", Device::Phone),
        (b"handset", Device::Phone),
        (b"tablet", Device::Tablet),
        (b"ipad", Device::Tablet),
        (b"desktop", Device::Desktop),
        (b"laptop", Device::Desktop),
        (b"pc", Device::Desktop),
        (b"web", Device::Web),
        (b"browser", Device::Web),
        (b"watch", Device::Wearable),
        (b"wearable", Device::Wearable),
        (b"other", Device::Other),
    ];
    let cell = cell.trim_ascii();
    if cell.is_empty() {
        return Device::Unknown;
    }
    let known = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(cell));
    known.map_or(Device::Other, |(_, device)| *device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_and_major_versions_are_read() {
        let read = |os: &[u8]| Attributes::from_cells(os, b"phone");
        assert_eq!(
            (read(b"Android 14").os(), read(b"Android 14").os_version()),
            (Some(Os::Android), Some(14))
        );
        assert_eq!(read(b"iOS 17.5.1").os_version(), Some(17));
        assert_eq!(read(b"Symbian").os(), Some(Os::Other));
        assert_eq!(read(b"android 9999999").os_version(), None);
        assert_eq!(read(b"").os(), None);
    }

    /// Where cells are as small as each other, the names' order says which is hidden.
    #[test]
    fn values_are_in_the_order_of_their_names() {
        let systems: Vec<_> = Os::ALL.iter().filter_map(|os| os.name()).collect();
        let devices: Vec<_> = Device::ALL.iter().filter_map(|device| device.name()).collect();
        assert!(systems.is_sorted() && devices.is_sorted());
    }

    #[test]
    fn attributes_fit_one_word() {
        assert_eq!(Attributes::from_bits(Attributes::NOTHING.to_bits()), Attributes::default());
        for os in Os::ALL {
            for device in Device::ALL {
                for region in [None, Some(Region::WORLD), Some(Region::from_bytes(*b"ZZ"))] {
                    let known =
                        Attributes { region, os: *os, os_version: Version(17), device: *device };
                    assert_eq!(Attributes::from_bits(known.to_bits()), known);
                }
            }
        }
    }

    #[test]
    fn merging_does_not_know_order() {
        let rows = [
            Attributes::from_cells(b"Android 14", b"phone"),
            Attributes::from_cells(b"", b"tablet"),
            Attributes::from_cells(b"Android 13", b"phone"),
        ];
        let merged = |order: [usize; 3]| {
            let mut merged = Attributes::default();
            order.iter().for_each(|&at| merged.merge(rows[at]));
            merged
        };
        for order in [[0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            assert_eq!(merged([0, 1, 2]), merged(order));
        }
        assert_eq!(merged([0, 1, 2]).os(), Some(Os::Android));
        assert_eq!((merged([0, 1, 2]).os_version(), merged([0, 1, 2]).device()), (None, None));
    }
}
