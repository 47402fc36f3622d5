//! Lines of a page of history: what was said before, told again to one session.

use super::line::line;
use super::object::Object;
use super::{Voice, time};
use crate::escape;
use crate::event::Message;
use crate::name::RoomName;

/// The sentence for a page of another life of the numbering.
pub(super) const EXPIRED: &str = "the room has another epoch now: what you ask for is gone";

/// Appends a message as a line of a page, in the session's voice. In the full dialect it carries a
/// `label`, by which it can be told from what is said now; for a person it carries its time.
pub fn encode_past(
    voice: Voice,
    room: &RoomName,
    message: &Message,
    label: &str,
    out: &mut Vec<u8>,
) {
    let nick = message.nick.as_str();
    match voice {
        Voice::Full => Object::typed(out, "message")
            .text("label", label)
            .text("room", room.as_str())
            .number("seq", message.seq)
            .time("time", message.time_ms)
            .text("username", nick)
            .text("message", &message.text)
            .maybe("cid", message.cid.as_deref())
            .end(),
        Voice::Text => {
            let time = time::rfc3339(message.time_ms);
            let (day, clock) = (&time[..10], &time[11..16]);
            let text = escape::visible(&message.text);
            line(out, format_args!("{day} {clock} <{nick}> {text}"));
        }
        Voice::Unknown | Voice::Basic => {}
    }
}
