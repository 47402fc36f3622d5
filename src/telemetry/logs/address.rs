//! How much of a client's address stands in the log.

use std::net::{IpAddr, SocketAddr};

use crate::cidr::Cidr;

/// The field that holds the address of a client; no other field does.
pub(super) const ADDRESS: &str = "addr";

/// The target of events that tell what an operator said: there addresses stand in the middle of text.
pub(super) const AUDIT: &str = "audit";

/// Stands for an address that may not be written.
const WITHHELD: &str = "…";

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

    /// The text with every address and range in it as it may be written.
    pub(super) fn shown_within(self, text: &str) -> String {
        if self == Self::Full {
            return text.to_owned();
        }
        // `chatd::lane` is one word, and no address.
        let is_of_word = |c: char| c.is_alphanumeric() || "._:/-".contains(c);
        let mut shown = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(is_of_word) {
            let (before, word) = rest.split_at(start);
            let end = word.find(|c| !is_of_word(c)).unwrap_or(word.len());
            let (word, after) = word.split_at(end);
            shown.push_str(before);
            shown.push_str(&self.word(word));
            rest = after;
        }
        shown.push_str(rest);
        shown
    }

    /// A word, which may end a sentence.
    fn word(self, word: &str) -> String {
        let bare = word.trim_end_matches(['.', ':', '/']);
        // `2001:db8::` ends as it should.
        let (bare, range) = match (range_of(word), range_of(bare)) {
            (Some(range), _) => (word, range),
            (None, Some(range)) => (bare, range),
            (None, None) => return word.to_owned(),
        };
        let hidden = match self {
            Self::None => WITHHELD.to_owned(),
            _ => network(range).to_string(),
        };
        hidden + &word[bare.len()..]
    }
}

/// An address, one with a port, or a range.
fn range_of(word: &str) -> Option<Cidr> {
    let of_socket = || Some(word.parse::<SocketAddr>().ok()?.ip());
    let whole = |address| Cidr::new(address, u8::MAX);
    word.parse().ok().or_else(|| of_socket().map(whole))
}

/// The network that it belongs to: IPv4 by /24, IPv6 by /48.
fn shortened(address: IpAddr) -> String {
    network(Cidr::new(address, u8::MAX)).to_string()
}

/// It, made as wide as the network that addresses are shortened to.
fn network(range: Cidr) -> Cidr {
    range.widened_to(if range.is_ipv4() { 24 } else { 48 })
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

    #[test]
    fn an_operators_words_keep_their_addresses_to_themselves() {
        let said = "{\"addr\":\"192.0.2.77\",\"from\":\"2001:db8:1:2::3\"} there is no ban of \
                    192.0.2.77/32. 10.0.0.0/8, 2001:db8::, 192.0.2.9:7687 and [::ffff:192.0.2.9]:1 \
                    stay; so do 1.2.3, 12:30:15, a/b, chatd::lane=debug and 0.5.";
        assert_eq!(Addresses::Full.shown_within(said), said);
        assert_eq!(
            Addresses::Short.shown_within(said),
            "{\"addr\":\"192.0.2.0/24\",\"from\":\"2001:db8:1::/48\"} there is no ban of \
             192.0.2.0/24. 10.0.0.0/8, 2001:db8::/48, 192.0.2.0/24 and [192.0.2.0/24]:1 \
             stay; so do 1.2.3, 12:30:15, a/b, chatd::lane=debug and 0.5."
        );
        assert_eq!(
            Addresses::None.shown_within(said),
            "{\"addr\":\"…\",\"from\":\"…\"} there is no ban of \
             …. …, …, … and […]:1 \
             stay; so do 1.2.3, 12:30:15, a/b, chatd::lane=debug and 0.5."
        );
    }
}
