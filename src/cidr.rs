//! A range of addresses.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer};

/// An address with how many of its first bits count: `10.0.0.0/8`, `::1`. The other bits are 0, so
/// that equal ranges are equal; an IPv4 address in IPv6 clothes is an IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cidr {
    address: IpAddr,
    bits: u8,
}

/// Bits of an IPv6 address that a subscriber has at least: below them they are theirs to choose.
const SUBSCRIBER: u8 = 64;
/// Bits before the IPv4 address in an IPv6 address of its clothes (`::ffff:0:0/96`).
const MAPPED: u8 = 96;

impl Cidr {
    /// The first so many bits of an address; at most as many as it has.
    pub fn new(address: IpAddr, bits: u8) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                let bits = bits.min(32);
                let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
                Self {
                    address: IpAddr::V4((v4.to_bits() & mask).into()),
                    bits,
                }
            }
            IpAddr::V6(v6) => {
                let bits = bits.min(128);
                let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
                Self {
                    address: IpAddr::V6((v6.to_bits() & mask).into()),
                    bits,
                }
            }
        }
    }

    /// All addresses of whoever has this one: an IPv4 address alone, an IPv6 address with its /64.
    pub fn of_subscriber(address: IpAddr) -> Self {
        let address = address.to_canonical();
        Self::new(address, if address.is_ipv4() { 32 } else { SUBSCRIBER })
    }

    /// The range, made as wide as a subscriber's if it is IPv6 and narrower.
    pub fn widened(self) -> Self {
        if self.address.is_ipv6() && self.bits > SUBSCRIBER {
            Self::of_subscriber(self.address)
        } else {
            self
        }
    }

    /// The range, made so wide that at most so many bits count.
    pub fn widened_to(self, most: u8) -> Self {
        Self::new(self.address, self.bits.min(most))
    }

    /// How many bits count.
    pub fn bits(self) -> u8 {
        self.bits
    }

    /// Whether it is of IPv4.
    pub fn is_ipv4(self) -> bool {
        self.address.is_ipv4()
    }

    /// Whether the address is in the range. An IPv4 address in IPv6 clothes is an IPv4 address.
    pub fn contains(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.is_ipv4() && Self::new(address, self.bits) == self
    }
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("\"{text}\" is not an address or a range such as 10.0.0.0/8");
        let (address, bits) = text
            .split_once('/')
            .map_or((text, None), |(a, b)| (a, Some(b)));
        let written = address.parse::<IpAddr>().map_err(|_| wrong())?;
        let address = written.to_canonical();
        let most: u8 = if written.is_ipv4() { 32 } else { 128 };
        let mut bits = bits.map_or(Ok(most), str::parse).map_err(|_| wrong())?;
        if written.is_ipv6() && address.is_ipv4() {
            bits = bits.checked_sub(MAPPED).ok_or_else(wrong)?;
        }
        if bits > most || address.is_ipv4() && bits > 32 {
            return Err(wrong());
        }
        Ok(Self::new(address, bits))
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_holds_what_shares_its_first_bits() {
        let inside = |range: &str, address: &str| {
            range
                .parse::<Cidr>()
                .unwrap()
                .contains(address.parse().unwrap())
        };
        assert!(inside("10.0.0.0/8", "10.255.0.1"));
        assert!(!inside("10.0.0.0/8", "11.0.0.1"));
        assert!(inside("10.1.2.3", "10.1.2.3"));
        assert!(!inside("10.1.2.3", "10.1.2.4"));
        assert!(inside("0.0.0.0/0", "8.8.8.8"));
        assert!(!inside("0.0.0.0/0", "::1"));
        assert!(inside("127.0.0.1", "::ffff:127.0.0.1"));
        assert!(inside("2001:db8::/32", "2001:db8:1::9"));
        assert!(inside("::/0", "::1"));
        assert!(inside("::ffff:10.0.0.0/104", "10.1.2.3"));
        assert!(!inside("::ffff:10.0.0.0/104", "11.1.2.3"));
        assert!(!inside("::/0", "10.0.0.1"));
    }

    #[test]
    fn equal_ranges_are_equal_however_they_are_written() {
        let range = |text: &str| text.parse::<Cidr>().unwrap();
        assert_eq!(range("10.1.2.3/8"), range("10.0.0.0/8"));
        assert_eq!(range("::ffff:10.1.2.3"), range("10.1.2.3/32"));
        assert_eq!(range("2001:db8::5/64").to_string(), "2001:db8::/64");
        assert_eq!(range("2001:db8::5").widened(), range("2001:db8::/64"));
        assert_eq!(range("2001:db8::/48").widened(), range("2001:db8::/48"));
        assert_eq!(range("10.0.0.1").widened(), range("10.0.0.1"));
        let subscriber = |text: &str| Cidr::of_subscriber(text.parse().unwrap()).to_string();
        assert_eq!(subscriber("2001:db8::5"), "2001:db8::/64");
        assert_eq!(subscriber("::ffff:10.0.0.1"), "10.0.0.1/32");
    }

    #[test]
    fn other_text_is_no_range() {
        for text in [
            "",
            "10",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "::/129",
            "lobby",
            "10.0.0.0/8/8",
            "::ffff:10.0.0.0/95",
            "::ffff:10.0.0.0/129",
        ] {
            assert!(text.parse::<Cidr>().is_err(), "{text}");
        }
    }
}
