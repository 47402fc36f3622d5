//! Who is let in.
//!
//! Addresses are counted by IPv4 address or IPv6 /64; an IPv4-mapped IPv6 address counts as IPv4.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use super::{Hub, lock};
use crate::cidr::Cidr;
use crate::close::Refusal;
use crate::pace::Pace;
use crate::phase::Phase;

/// Addresses whose rate is remembered before the rested ones are forgotten.
const RATES_KEPT: usize = 4096;

/// The place of one connection. Dropping it gives the place back.
#[derive(Debug)]
pub struct Permit {
    hub: Arc<Hub>,
    /// None for a connection of the daemon's own, which takes no place.
    address: Option<Cidr>,
}

#[derive(Debug, Default)]
pub(super) struct Admission(Mutex<Places>);

#[derive(Debug, Default)]
struct Places {
    taken: usize,
    by_address: HashMap<Cidr, usize>,
    rates: HashMap<Cidr, Pace>,
}

impl Hub {
    /// Gives a connection from this address a place.
    ///
    /// # Errors
    /// Says which limit is reached, or that the daemon is stopping.
    pub fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Permit, Refusal> {
        if self.phase() >= Phase::Draining {
            return Err(Refusal::Draining);
        }
        if self.is_paused() {
            return Err(Refusal::Paused);
        }
        if self.bans.refuse_address(address, (self.clock)()) {
            return Err(Refusal::Banned);
        }
        let (limits, address) = (self.limits(), Cidr::of_subscriber(address));
        let mut places = lock(&self.admission.0);
        if places.taken >= limits.clients {
            return Err(Refusal::ServerFull);
        }
        let here = places.by_address.get(&address).copied().unwrap_or(0);
        if limits.clients_per_address.is_some_and(|most| here >= most) {
            return Err(Refusal::PerAddress);
        }
        if let Some(rate) = limits.connect_rate {
            let now = Instant::now();
            places.forget_rested(now);
            let pace = places.rates.entry(address).or_default();
            if pace.try_spend(now, Some(rate), rate.count).is_err() {
                return Err(Refusal::ConnectRate);
            }
        }
        places.taken += 1;
        places.by_address.insert(address, here + 1);
        Ok(Permit {
            hub: self.clone(),
            address: Some(address),
        })
    }

    /// Lets a connection of the daemon's own in: no limit and no ban holds for it.
    pub fn admit_own(self: &Arc<Self>) -> Permit {
        Permit {
            hub: self.clone(),
            address: None,
        }
    }
}

impl Places {
    fn forget_rested(&mut self, now: Instant) {
        if self.rates.len() >= RATES_KEPT {
            self.rates.retain(|_, pace| !pace.is_rested(now));
        }
        if self.rates.len() >= 2 * RATES_KEPT {
            // More addresses at once than can be told apart: they all start anew.
            self.rates.clear();
        }
    }
}

impl Permit {
    /// Whether this is a connection of the daemon's own.
    pub fn is_own(&self) -> bool {
        self.address.is_none()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Some(address) = &self.address else { return };
        let mut places = lock(&self.hub.admission.0);
        places.taken -= 1;
        if let Some(here) = places.by_address.get_mut(address) {
            *here -= 1;
            if *here == 0 {
                places.by_address.remove(address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::tests::hub;

    #[tokio::test(start_paused = true)]
    async fn places_are_counted_by_address_and_given_back() {
        let hub = hub();
        let mut limits = (*hub.limits()).clone();
        limits.clients_per_address = Some(2);
        limits.clients = 3;
        hub.set_limits(limits);
        let (a, b): (IpAddr, IpAddr) = (
            "2001:db8::1".parse().unwrap(),
            "2001:db8::2".parse().unwrap(),
        );
        let first = hub.admit(a).unwrap();
        let _second = hub.admit(b).unwrap();
        assert_eq!(hub.admit(a).unwrap_err(), Refusal::PerAddress, "one /64");
        drop(first);
        let _third = hub.admit(a).unwrap();
        let _other = hub.admit("::ffff:10.0.0.1".parse().unwrap()).unwrap();
        assert_eq!(
            hub.admit("10.0.0.2".parse().unwrap()).unwrap_err(),
            Refusal::ServerFull
        );
        hub.set_phase(Phase::Draining);
        assert_eq!(hub.admit(a).unwrap_err(), Refusal::Draining);
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_of_new_connections_is_bounded() {
        let hub = hub();
        let rate = hub.limits().connect_rate.unwrap();
        let a: IpAddr = "10.0.0.1".parse().unwrap();
        for _ in 0..rate.count {
            drop(hub.admit(a).unwrap());
        }
        assert_eq!(hub.admit(a).unwrap_err(), Refusal::ConnectRate);
        tokio::time::advance(rate.interval()).await;
        assert!(hub.admit(a).is_ok());
    }
}
