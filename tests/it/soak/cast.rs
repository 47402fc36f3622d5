//! The people of a run. Each does its part until the run is over, however often the daemon goes
//! away, and is connected and answered when it ends.

use tokio::sync::watch;

use crate::dice::Dice;
use crate::load::{Actor, Clock, Full, Home, TwoFields, Voice};

/// The rooms of a run; the first one is the default room.
pub(super) const ROOMS: [&str; 3] = ["lobby", "den", "hall"];
/// Full clients that talk.
pub(super) const PUBLISHERS: usize = 4;
/// Full clients that listen, hang up, stop reading, and look things up.
pub(super) const READERS: usize = 4;
/// Basic and text clients, so many of each.
pub(super) const TWO_FIELDS: usize = 2;
/// Unanswered messages of one publisher.
const WINDOW: usize = 32;

/// What everybody needs to know.
pub(super) struct Stage {
    pub(super) home: Home,
    pub(super) clock: Clock,
    /// True once the last fault is over.
    pub(super) over: watch::Sender<bool>,
    pub(super) seed: u64,
}

impl Stage {
    fn is_over(&self) -> bool {
        *self.over.borrow()
    }

    fn dice(&self, part: usize) -> Dice {
        Dice::new(self.seed.wrapping_mul(1000) + part as u64)
    }

    async fn full(&self, name: String, rooms: &[&'static str]) -> Full {
        let mut client = Full::arrive(self.home.clone(), &self.clock, &name).await;
        // Hours of talk go into files.
        client.wordiness = 1;
        for room in rooms {
            while !client.join(room, None).await {
                client.connect().await;
                if client.position(room).is_some() {
                    break;
                }
            }
        }
        client
    }

    /// Waits until some messages more were acknowledged, the connection is gone, or the run is over.
    async fn a_while(&self, messages: u64, gone: impl Future<Output = ()>) {
        let mut over = self.over.subscribe();
        tokio::select! {
            () = self.home.reaches(self.home.acks() + messages) => {}
            () = gone => {}
            _ = over.wait_for(|over| *over) => {}
        }
    }

    /// Says one thing after another, in one room, with a few private words between.
    pub(super) async fn publisher(&self, n: usize) -> Actor {
        let mut dice = self.dice(n);
        let rooms = vec![ROOMS[n % ROOMS.len()]];
        let mut client = self.full(format!("pub{n}"), &rooms).await;
        while !self.is_over() {
            if client.is_closed() {
                client.connect().await;
            }
            match dice.below(200) {
                0 => client.connect().await,
                1..=5 => {
                    let reader = dice.below(READERS);
                    client.whisper(&format!("reader{reader}")).await;
                }
                _ => {
                    client.publish(rooms[0]).await;
                }
            }
            client.wait_unacked(WINDOW).await;
        }
        while !client.is_at_home() || client.unacked() > 0 {
            if !client.is_at_home() {
                client.connect().await;
            }
            client.wait_unacked(0).await;
        }
        Actor::Full(client, rooms)
    }

    /// Listens to two rooms, and is not always there.
    pub(super) async fn reader(&self, n: usize) -> Actor {
        let mut dice = self.dice(100 + n);
        let rooms = vec![ROOMS[n % ROOMS.len()], ROOMS[(n + 1) % ROOMS.len()]];
        let mut client = self.full(format!("reader{n}"), &rooms).await;
        let mut knows_history = true;
        while !self.is_over() {
            let messages = 20 + dice.below(200) as u64;
            self.a_while(messages, client.ended()).await;
            if client.is_closed() {
                client.connect().await;
                continue;
            }
            match dice.below(4) {
                0 => {
                    client.drop_connection();
                    self.a_while(messages, std::future::pending()).await;
                    client.connect().await;
                }
                1 => {
                    client.stall.begin();
                    self.a_while(10 * messages, std::future::pending()).await;
                    client.stall.end();
                }
                2 if knows_history => {
                    let page = client.page(rooms[0], None).await;
                    knows_history = page.is_some() || client.is_closed();
                }
                _ => {}
            }
        }
        if !client.is_at_home() {
            client.connect().await;
        }
        Actor::Full(client, rooms)
    }

    /// A basic or text client of the default room, who says something now and then.
    pub(super) async fn two_fields(&self, voice: Voice, n: usize) -> Actor {
        let name = format!("{voice:?}{n}").to_lowercase();
        let home = self.home.clone();
        let mut client = TwoFields::arrive(home, &self.clock, voice, ROOMS[0], &name).await;
        client.wordiness = 1;
        while !self.is_over() {
            if client.is_closed() {
                client.connect().await;
            }
            client.publish().await;
            self.a_while(50, client.ended()).await;
        }
        if !client.is_at_home() {
            client.connect().await;
        }
        Actor::TwoFields(client)
    }

    /// Comes, reads a room from its first number, and goes again.
    pub(super) async fn visitor(&self) -> Actor {
        let mut client = self.full("visitor".to_owned(), &[]).await;
        let mut from = None;
        while !self.is_over() {
            if client.is_closed() {
                client.connect().await;
            }
            if client.join(ROOMS[1], from.take()).await {
                self.a_while(100, client.ended()).await;
                from = client.part(ROOMS[1]).await;
                // From the first number next time.
                from = from.map(|at| crate::checker::Position { seq: 0, ..at });
            }
        }
        if !client.is_at_home() {
            client.connect().await;
        }
        Actor::Full(client, Vec::new())
    }
}
