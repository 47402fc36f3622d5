//! The two-field dialect.

use tokio::time::Instant;

use super::Lane;
use super::input::Flow;
use super::reply::About;
use crate::fault::ErrorCode;
use crate::hub::Claim;
use crate::wire::{Fields, Flaw};

impl Lane {
    pub(super) fn basic_line(&mut self, at: usize, line: &[u8], now: Instant) -> Flow {
        if line.is_empty() {
            // It says nothing, but costs as much as what does.
            self.spend(at, now);
            return Flow::Done;
        }
        let (username, message) = match Fields::parse(line).and_then(Fields::into_basic) {
            Ok(fields) => fields,
            Err(flaw) => {
                self.fault(at, &flaw, About::default());
                return Flow::Done;
            }
        };
        let said = self
            .check_text(&message)
            .and_then(|()| self.be_called(at, &username));
        match said {
            Err(flaw) => {
                self.refuse_flaw(at, &flaw, About::default());
                self.spend(at, now);
                Flow::Done
            }
            Ok(()) => {
                self.seats[at].input.bad = 0;
                let name = self.hub.default_room.clone();
                match self.own_room(at, name.as_str()) {
                    Some(room) => self.say(at, room, &message, About::default(), now),
                    None => Flow::Done,
                }
            }
        }
    }

    /// The first message claims its name; a later one under another name is a rename. A name that
    /// basic sessions of the same address hold is shared with them.
    fn be_called(&mut self, at: usize, username: &str) -> Result<(), Flaw> {
        if self.seats[at]
            .nick
            .as_ref()
            .is_some_and(|nick| nick.as_str() == username)
        {
            return Ok(());
        }
        if username.is_empty() {
            return Err(Flaw::new(ErrorCode::NickInvalid, "`username` is empty"));
        }
        let nick = super::hello::nick(username)?;
        let seat = &self.seats[at];
        let claim = Claim::Shared(seat.card.addr.ip().to_canonical());
        self.hub
            .claim(&nick, seat.nick.as_ref(), seat.card.id, claim)
            .map_err(|code| {
                let flaw = super::hello::not_to_be_had(code, &nick);
                Flaw::new(code, format!("{}; the message was not sent", flaw.text))
            })?;
        self.rename(at, &nick);
        self.appear(at);
        Ok(())
    }

    /// A session that only listened stands in the rosters of its rooms from now on.
    fn appear(&mut self, at: usize) {
        let Some(nick) = self.seats[at].nick.clone() else {
            return;
        };
        let mut rooms = Vec::new();
        for membership in &mut self.seats[at].memberships {
            if !std::mem::replace(&mut membership.on_roster, true) {
                rooms.push(membership.room.clone());
            }
        }
        for room in rooms {
            self.come(at, &room, &nick);
        }
    }
}
