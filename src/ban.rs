//! Who may not come in: by name, or by where they come from.
//!
//! A banned name stands for every name that is the same ([`crate::name`]): another case, or
//! another script that looks like it. A banned address stands for its subscriber: IPv6 by /64 at
//! least, IPv4 in IPv6 clothes as IPv4. Time is given, never taken.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::net::IpAddr;

use crate::cidr::Cidr;
use crate::name::{Names, Nick};

/// Whom a ban is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// Who goes by this name or one that is the same.
    Nick(Nick),
    /// Who comes from this range.
    Address(Cidr),
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nick(nick) => nick.fmt(f),
            Self::Address(range) => range.fmt(f),
        }
    }
}

/// One ban.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// Whom it is about.
    pub whom: Whom,
    /// Why, in the words of who said it.
    pub reason: Option<Box<str>>,
    /// Who said it.
    pub by: Box<str>,
    /// When, in milliseconds since 1970 UTC.
    pub since_ms: i64,
    /// Until when; for ever if there is none.
    pub until_ms: Option<i64>,
    /// Connections and names that it has refused since the start of the daemon.
    pub refused: u64,
}

impl Ban {
    /// Whether its time is over.
    pub fn is_over(&self, now_ms: i64) -> bool {
        self.until_ms.is_some_and(|until| until <= now_ms)
    }
}

/// All bans. Looking somebody up costs one step for each length of range that there is, however
/// many bans there are.
///
/// Invariant: `lengths` holds exactly the families and lengths of the keys of `addresses`.
#[derive(Debug, Default)]
pub struct Bans {
    nicks: Names<Ban>,
    addresses: HashMap<Cidr, Ban>,
    lengths: BTreeSet<(bool, u8)>,
}

impl Bans {
    /// Adds one, in place of one about the same; that one.
    pub fn add(&mut self, ban: Ban) -> Option<Ban> {
        match &ban.whom {
            Whom::Nick(nick) => {
                let nick = nick.clone();
                let before = self.nicks.remove_same(nick.as_str());
                // There was room for it a moment ago.
                let _ = self.nicks.insert(nick.as_str(), ban);
                before
            }
            Whom::Address(range) => {
                self.lengths.insert((range.is_ipv4(), range.bits()));
                self.addresses.insert(*range, ban)
            }
        }
    }

    /// Takes one out.
    pub fn remove(&mut self, whom: &Whom) -> Option<Ban> {
        match whom {
            Whom::Nick(nick) => self.nicks.remove_same(nick.as_str()),
            Whom::Address(range) => {
                let ban = self.addresses.remove(range);
                self.measure();
                ban
            }
        }
    }

    /// The one about the same.
    pub fn get(&self, whom: &Whom) -> Option<&Ban> {
        match whom {
            Whom::Nick(nick) => self.nicks.find(nick.as_str()),
            Whom::Address(range) => self.addresses.get(range),
        }
    }

    /// The ban of an address, the narrowest first.
    pub fn of_address(&mut self, address: IpAddr, now_ms: i64) -> Option<&mut Ban> {
        let address = address.to_canonical();
        let is_ipv4 = address.is_ipv4();
        let lengths = self.lengths.iter().rev();
        let found = lengths
            .filter(|(family, _)| *family == is_ipv4)
            .map(|&(_, bits)| Cidr::new(address, bits))
            .find(|range| {
                let ban = self.addresses.get(range);
                ban.is_some_and(|ban| !ban.is_over(now_ms))
            })?;
        self.addresses.get_mut(&found)
    }

    /// The ban of a name.
    pub fn of_nick(&mut self, nick: &str, now_ms: i64) -> Option<&mut Ban> {
        if self.nicks.is_empty() {
            return None;
        }
        self.nicks.find_mut(nick).filter(|ban| !ban.is_over(now_ms))
    }

    /// Forgets those whose time is over.
    pub fn sweep(&mut self, now_ms: i64) {
        let over: Vec<Whom> = self
            .all()
            .filter(|ban| ban.is_over(now_ms))
            .map(|ban| ban.whom.clone())
            .collect();
        for whom in over {
            self.remove(&whom);
        }
    }

    /// All of them, in no order.
    pub fn all(&self) -> impl Iterator<Item = &Ban> {
        self.nicks.values().chain(self.addresses.values())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.nicks.len() + self.addresses.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn measure(&mut self) {
        let ranges = self.addresses.keys();
        self.lengths = ranges
            .map(|range| (range.is_ipv4(), range.bits()))
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ban(whom: Whom, until_ms: Option<i64>) -> Ban {
        Ban {
            whom,
            reason: None,
            by: "ann".into(),
            since_ms: 0,
            until_ms,
            refused: 0,
        }
    }

    fn nick(text: &str) -> Whom {
        Whom::Nick(Nick::new(text).unwrap())
    }

    fn range(text: &str) -> Whom {
        Whom::Address(text.parse().unwrap())
    }

    fn of_address(bans: &mut Bans, address: &str) -> Option<String> {
        let found = bans.of_address(address.parse().unwrap(), 1000);
        found.map(|ban| ban.whom.to_string())
    }

    #[test]
    fn a_name_is_banned_in_every_case_and_in_every_script_that_looks_like_it() {
        let mut bans = Bans::default();
        bans.add(ban(nick("oxo"), None));
        for evader in ["oxo", "OXO", "oXo", "охо"] {
            assert!(bans.of_nick(evader, 0).is_some(), "{evader}");
        }
        for other in ["oxo2", "ox", "0x0"] {
            assert!(bans.of_nick(other, 0).is_none(), "{other}");
        }
        assert!(bans.add(ban(nick("охо"), None)).is_some(), "the same ban");
        assert_eq!(bans.len(), 1);
        assert!(bans.remove(&nick("Oxo")).is_some());
        assert!(bans.of_nick("oxo", 0).is_none());
    }

    #[test]
    fn an_address_is_in_any_of_the_ranges() {
        let mut bans = Bans::default();
        for text in [
            "10.0.0.0/8",
            "10.1.2.3",
            "2001:db8:1::/64",
            "192.168.0.0/16",
        ] {
            bans.add(ban(range(text), None));
        }
        for (address, by) in [
            ("10.1.2.3", "10.1.2.3/32"),
            ("10.1.2.4", "10.0.0.0/8"),
            ("::ffff:10.1.2.4", "10.0.0.0/8"),
            ("2001:db8:1::77", "2001:db8:1::/64"),
        ] {
            assert_eq!(of_address(&mut bans, address).as_deref(), Some(by));
        }
        assert_eq!(of_address(&mut bans, "11.0.0.1"), None);
        assert_eq!(of_address(&mut bans, "2001:db8:2::77"), None);
        bans.remove(&range("10.0.0.0/8"));
        assert_eq!(of_address(&mut bans, "10.1.2.4"), None);
        assert!(of_address(&mut bans, "10.1.2.3").is_some());
    }

    #[test]
    fn a_ban_ends_when_its_time_is_over() {
        let mut bans = Bans::default();
        bans.add(ban(range("10.0.0.1"), Some(500)));
        bans.add(ban(range("10.0.0.0/24"), Some(2000)));
        bans.add(ban(nick("mallory"), Some(500)));
        assert!(bans.of_nick("mallory", 499).is_some());
        assert!(bans.of_nick("mallory", 500).is_none());
        assert_eq!(
            of_address(&mut bans, "10.0.0.1").as_deref(),
            Some("10.0.0.0/24"),
            "the narrow one is over, the wide one is not"
        );
        bans.sweep(500);
        assert_eq!(bans.len(), 1);
        bans.sweep(2000);
        assert!(bans.is_empty());
    }
}
