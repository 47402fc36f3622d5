//! What unfinished writes keep in memory, within `limits.buffer_bytes`.

use super::Lane;
use super::write::Written;

impl Lane {
    /// Takes slices away until `limits.buffer_bytes` is kept, from those who are furthest behind
    /// first. They finish the line they are in, and read on from the log when they can.
    pub(super) fn keep_budget(&mut self) {
        let limit = self.limits.buffer_bytes;
        if self.hub.budget.used() <= limit {
            return;
        }
        self.chunks.clear();
        let mut held: Vec<(u64, usize)> = self
            .seats
            .iter()
            .filter_map(|(at, seat)| {
                let slice = seat.output.slice.as_ref()?;
                let room = slice.room.and_then(|room| self.rooms.get(&room));
                // Who has left the room has the least use for its bytes.
                let lag = room.map_or(u64::MAX, |entry| {
                    entry
                        .room
                        .head()
                        .saturating_sub(slice.encoded.seq_before(slice.at))
                });
                Some((lag, at))
            })
            .collect();
        held.sort_unstable_by(|a, b| b.cmp(a));
        for (_, at) in held {
            if self.hub.budget.used() <= limit {
                break;
            }
            self.take_slice(at);
            self.meter.slices_taken.add(1);
        }
    }

    /// Ends an unfinished write at the end of the line that it is in. Nothing more can be written
    /// to a socket that failed.
    pub(super) fn take_slice(&mut self, at: usize) {
        let seat = &mut self.seats[at];
        let has_failed = seat.failed.is_some();
        let output = &mut seat.output;
        let Some(slice) = output.slice.take() else {
            return;
        };
        let end = if has_failed {
            slice.at
        } else {
            slice.line_end()
        };
        let tail = &slice.encoded.bytes[slice.at..end];
        output.outbox.drain(..output.sent);
        output.sent = 0;
        output.outbox.splice(..0, tail.iter().copied());
        let Some(room) = slice.room else { return };
        let finished = Written {
            messages: slice.encoded.count(slice.at, end).0,
            ..Written::default()
        };
        Self::count(&self.meter, &self.seats[at], &finished, slice.replayed);
        self.set_cursor(at, room, slice.encoded.seq_before(end));
        if slice.encoded.has_presence_after(end) {
            // The log has no presence: the roster is given anew.
            let index = self.seats[at]
                .membership(room)
                .map(|membership| membership.member);
            if let Some(member) = index.and_then(|index| self.member(room, index)) {
                member.missed_presence |= member.profile.hears_unnumbered();
            }
        }
        self.seats[at].output.is_behind = true;
    }
}
