//! What happened in a room: the same bytes for everyone of a profile.

use super::line::line;
use super::object::Object;
use crate::escape;
use crate::event::{Change, Event, Message, Presence, Topic};
use crate::name::RoomName;
use crate::wire::Profile;

/// What happened in a room, as the bytes that everyone of this profile hears.
pub fn encode_event(profile: Profile, room: &RoomName, event: &Event, out: &mut Vec<u8>) {
    match event {
        Event::Message(message) => encode_message(profile, room, message, out),
        Event::Presence(presence) => encode_presence(profile, room, presence, out),
        Event::Topic(_, topic) => encode_topic(profile, room, topic, out),
    }
}

fn encode_message(profile: Profile, room: &RoomName, message: &Message, out: &mut Vec<u8>) {
    let nick = message.nick.as_str();
    match profile {
        Profile::Basic => Object::open(out)
            .text("username", nick)
            .text("message", &message.text)
            .end(),
        Profile::Full | Profile::FullPresence => Object::typed(out, "message")
            .text("room", room.as_str())
            .number("seq", message.seq)
            .time("time", message.time_ms)
            .text("username", nick)
            .text("message", &message.text)
            .maybe("cid", message.cid.as_deref())
            .end(),
        Profile::Text => line(
            out,
            format_args!("<{nick}> {}", escape::visible(&message.text)),
        ),
        Profile::TextRooms => {
            line(
                out,
                format_args!("[{room}] <{nick}> {}", escape::visible(&message.text)),
            );
        }
    }
}

fn encode_topic(profile: Profile, room: &RoomName, topic: &Topic, out: &mut Vec<u8>) {
    match profile {
        Profile::Basic => {}
        Profile::Full | Profile::FullPresence => topic_object(room, Some(topic), None, out),
        Profile::Text | Profile::TextRooms => {
            let nick = topic.nick.as_str();
            match escape::visible(&topic.text) {
                text if text.is_empty() => {
                    line(out, format_args!("* {nick} took the topic of {room} away"))
                }
                text => line(
                    out,
                    format_args!("* {nick} set the topic of {room}: {text}"),
                ),
            }
        }
    }
}

/// The topic of a room as an object; without a time where nobody ever set one.
pub(super) fn topic_object(
    room: &RoomName,
    topic: Option<&Topic>,
    label: Option<&str>,
    out: &mut Vec<u8>,
) {
    let object = Object::typed(out, "topic")
        .maybe("label", label)
        .text("room", room.as_str())
        .text("topic", topic.map_or("", |topic| &topic.text));
    match topic {
        Some(topic) => object
            .text("username", topic.nick.as_str())
            .time("time", topic.time_ms),
        None => object,
    }
    .end();
}

fn encode_presence(profile: Profile, room: &RoomName, presence: &Presence, out: &mut Vec<u8>) {
    let nick = presence.nick.as_str();
    match profile {
        Profile::Basic | Profile::Full => {}
        Profile::FullPresence => {
            let (new, reason) = match &presence.change {
                Change::Nick(new) => (Some(new.as_str()), None),
                Change::Quit(reason) => (None, reason.as_deref()),
                Change::Join | Change::Part => (None, None),
            };
            Object::typed(out, "presence")
                .text("room", room.as_str())
                .text("event", presence.change.as_str())
                .text("username", nick)
                .maybe("new_username", new)
                .maybe("reason", reason)
                .end();
        }
        Profile::Text | Profile::TextRooms => match &presence.change {
            Change::Join => line(out, format_args!("* {nick} joined {room}")),
            Change::Part => line(out, format_args!("* {nick} left {room}")),
            Change::Quit(None) => line(out, format_args!("* {nick} quit")),
            Change::Quit(Some(reason)) => {
                line(
                    out,
                    format_args!("* {nick} quit ({})", escape::visible(reason)),
                );
            }
            Change::Nick(new) => line(out, format_args!("* {nick} is now {new}")),
        },
    }
}
