//! Who may not come in, as the doors ask.
//!
//! A ban is in force before the living are looked through, and whoever comes is looked at once more
//! after they can be found: so nobody slips through between the two.

use std::net::IpAddr;
use std::sync::Mutex;

use super::{Hub, lock};
use crate::ban::{Ban, Bans, Whom};
use crate::name::Nick;

#[derive(Debug, Default)]
pub(super) struct Banned(Mutex<Bans>);

impl Banned {
    /// Whether a connection from this address is refused; counted.
    pub(super) fn refuse_address(&self, address: IpAddr, now_ms: i64) -> bool {
        let mut bans = lock(&self.0);
        let ban = bans.of_address(address, now_ms);
        ban.map(|ban| ban.refused += 1).is_some()
    }

    /// Whether this name is refused; counted.
    pub(super) fn refuse_nick(&self, nick: &Nick, now_ms: i64) -> bool {
        let mut bans = lock(&self.0);
        let ban = bans.of_nick(nick.as_str(), now_ms);
        ban.map(|ban| ban.refused += 1).is_some()
    }
}

impl Hub {
    /// Puts a ban in force, in place of one about the same; that one. The living are not touched.
    ///
    /// # Errors
    /// `limits.bans` is reached; says what it is.
    pub fn ban(&self, ban: Ban) -> Result<Option<Ban>, usize> {
        let most = self.limits().bans;
        let mut bans = lock(&self.bans.0);
        if bans.len() >= most && bans.get(&ban.whom).is_none() {
            return Err(most);
        }
        Ok(bans.add(ban))
    }

    /// Puts bans in force that were in force before, also above `limits.bans`.
    pub fn ban_again(&self, old: Vec<Ban>) {
        let mut bans = lock(&self.bans.0);
        for ban in old {
            bans.add(ban);
        }
    }

    /// Takes a ban back; what it was.
    pub fn unban(&self, whom: &Whom) -> Option<Ban> {
        lock(&self.bans.0).remove(whom)
    }

    /// The ban about exactly this, if there is one.
    pub fn ban_of(&self, whom: &Whom) -> Option<Ban> {
        lock(&self.bans.0).get(whom).cloned()
    }

    /// Every ban, in no order.
    pub fn bans(&self) -> Vec<Ban> {
        lock(&self.bans.0).all().cloned().collect()
    }

    /// How many bans there are.
    pub fn ban_count(&self) -> usize {
        lock(&self.bans.0).len()
    }

    /// Forgets bans whose time is over.
    pub fn sweep_bans(&self) {
        lock(&self.bans.0).sweep((self.clock)());
    }

    /// Whether somebody from this address may be here.
    pub fn is_banned_address(&self, address: IpAddr) -> bool {
        lock(&self.bans.0)
            .of_address(address, (self.clock)())
            .is_some()
    }

    /// Whether somebody of this name may be here.
    pub fn is_banned_nick(&self, nick: &Nick) -> bool {
        lock(&self.bans.0)
            .of_nick(nick.as_str(), (self.clock)())
            .is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::close::Refusal;
    use crate::event::SessionId;
    use crate::fault::ErrorCode;
    use crate::hub::Claim;
    use crate::hub::tests::hub;

    fn ban(whom: Whom) -> Ban {
        Ban {
            whom,
            reason: None,
            by: "ann".into(),
            since_ms: 0,
            until_ms: None,
            refused: 0,
        }
    }

    fn nick(text: &str) -> Nick {
        Nick::new(text).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn an_evader_at_the_door_is_the_same_person_in_every_coat() {
        let hub = hub();
        for range in ["10.0.0.1", "2001:db8:1:2::/64"] {
            hub.ban(ban(Whom::Address(range.parse().unwrap()))).unwrap();
        }
        let admit = |address: &str| hub.admit(address.parse().unwrap()).map(drop);
        for evader in [
            "10.0.0.1",
            "::ffff:10.0.0.1",
            "2001:db8:1:2::1",
            "2001:db8:1:2:ffff::9",
        ] {
            assert_eq!(admit(evader), Err(Refusal::Banned), "{evader}");
        }
        for neighbour in ["10.0.0.2", "2001:db8:1:3::1"] {
            assert_eq!(admit(neighbour), Ok(()), "{neighbour}");
        }
        let bans = hub.bans();
        assert_eq!(bans.iter().map(|ban| ban.refused).sum::<u64>(), 4);
    }

    #[test]
    fn a_banned_name_cannot_be_claimed_and_the_old_one_is_kept() {
        let (hub, mallory) = (hub(), SessionId(1));
        hub.ban(ban(Whom::Nick(nick("oxo")))).unwrap();
        hub.claim(&nick("saint"), None, mallory, Claim::Alone)
            .unwrap();
        for name in ["oxo", "OxO", "охо"] {
            assert_eq!(
                hub.claim(&nick(name), Some(&nick("saint")), mallory, Claim::Alone),
                Err(ErrorCode::Banned),
                "{name}"
            );
        }
        assert_eq!(hub.nicks.holders("saint"), [mallory]);
        assert!(hub.unban(&Whom::Nick(nick("Oxo"))).is_some());
        hub.claim(&nick("oxo"), Some(&nick("saint")), mallory, Claim::Alone)
            .unwrap();
    }

    #[test]
    fn there_are_no_more_bans_than_the_limit_says() {
        let hub = hub();
        let mut limits = (*hub.limits()).clone();
        limits.bans = 2;
        hub.set_limits(limits);
        hub.ban(ban(Whom::Nick(nick("a")))).unwrap();
        hub.ban(ban(Whom::Nick(nick("b")))).unwrap();
        assert_eq!(hub.ban(ban(Whom::Nick(nick("c")))), Err(2));
        assert!(
            hub.ban(ban(Whom::Nick(nick("B")))).unwrap().is_some(),
            "the same one"
        );
        hub.ban_again(vec![ban(Whom::Nick(nick("c")))]);
        assert_eq!(hub.ban_count(), 3, "what was in force stays in force");
    }
}
