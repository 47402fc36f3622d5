//! How a run ends: everybody hears one last message, and a late reader hears everything.

use super::{Clock, Full, Home, TwoFields};
use crate::checker::{Log, Position};

/// Somebody who has done their part.
pub(crate) enum Actor {
    Full(Full, Vec<&'static str>),
    TwoFields(TwoFields),
}

impl Actor {
    pub(crate) fn into_log(self) -> Log {
        match self {
            Self::Full(client, _) => client.into_log(),
            Self::TwoFields(client) => client.into_log(),
        }
    }
}

/// One last message in each room, and everybody there hears it. The first room is the default room.
pub(crate) async fn curtain(actors: &mut [Actor], rooms: &[&'static str]) {
    for room in rooms {
        let is_there =
            |actor: &&mut Actor| matches!(actor, Actor::Full(_, rooms) if rooms.contains(room));
        let Some(Actor::Full(speaker, _)) = actors.iter_mut().find(is_there) else {
            panic!("nobody speaks in {room}");
        };
        let id = speaker.publish(room).await;
        speaker.wait_unacked(0).await;
        speaker.wait_heard(&id).await;
        let head = speaker.position(room).unwrap().seq;
        for actor in &*actors {
            match actor {
                Actor::Full(client, rooms) if rooms.contains(room) => {
                    client.wait_position(room, head).await;
                }
                Actor::TwoFields(client) if *room == rooms[0] => client.wait_heard(&id).await,
                _ => {}
            }
        }
    }
}

/// The late reader, who hears each of these rooms from its first number, and reads its whole history page
/// by page: two ways to the same messages.
pub(crate) async fn witness(
    home: impl Into<Home>,
    clock: &Clock,
    actors: &[Actor],
    rooms: &[&'static str],
) -> Log {
    let mut witness = Full::arrive(home, clock, "witness").await;
    for room in rooms {
        let stands = actors.iter().filter_map(|actor| match actor {
            Actor::Full(client, _) => client.position(room),
            Actor::TwoFields(_) => None,
        });
        let head = stands.max_by_key(|position| position.seq);
        let head = head.unwrap_or_else(|| panic!("nobody was in {room}"));
        let first = Position {
            epoch: head.epoch,
            seq: 0,
        };
        witness.join(room, Some(first)).await;
        witness.wait_position(room, head.seq).await;
        assert!(witness.read_history(room, head.seq).await, "{room}");
    }
    witness.into_log()
}
