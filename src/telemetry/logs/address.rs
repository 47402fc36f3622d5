//! How much of a client's address stands in the log.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The field that holds the address of a client; no other field does.
pub(super) const ADDRESS: &str = "addr";

pub use crate::config::Addresses;

impl Addresses {
    /// The address as it may be written; none if it may not.
    pub(super) fn shown(self, address: &str) -> Option<String> {
        match (self, address.parse::<IpAddr>()) {
            (Self::None, _) => None,
            (Self::Full, Ok(address)) => Some(address.to_string()),
            (Self::Short, Ok(address)) => Some(shortened(address)),
            // Whatever it is, it is not to be told apart.
            (_, Err(_)) => None,
        }
    }
}

/// The network that it belongs to: IPv4 by /24, IPv6 by /48.
fn shortened(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("{}/24", Ipv4Addr::new(a, b, c, 0))
        }
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            format!("{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_whole_or_a_network_or_nothing() {
        let shown = |how: Addresses| {
            ["192.0.2.77", "::ffff:192.0.2.77", "2001:db8:1:2::3", "?"]
                .map(|address| how.shown(address).unwrap_or_default())
        };
        assert_eq!(
            shown(Addresses::Full),
            ["192.0.2.77", "::ffff:192.0.2.77", "2001:db8:1:2::3", ""]
        );
        assert_eq!(
            shown(Addresses::Short),
            ["192.0.2.0/24", "192.0.2.0/24", "2001:db8:1::/48", ""]
        );
        assert_eq!(shown(Addresses::None), [""; 4]);
    }
}
