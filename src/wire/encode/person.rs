//! Replies as lines for a person.

use super::line::line;
use super::{Reply, RoomLine, two_fields};
use crate::escape;
use crate::name::Nick;

/// Appends what a person reads of a reply.
pub(super) fn person(reply: &Reply<'_>, out: &mut Vec<u8>) {
    match reply {
        Reply::Private(private) => {
            let text = escape::visible(&private.text);
            line(out, format_args!("-{}- {text}", private.from));
        }
        Reply::Joined {
            room,
            topic,
            members_total,
            ..
        } => {
            let people = if *members_total == 1 {
                "person"
            } else {
                "people"
            };
            line(
                out,
                format_args!("* you joined {room} ({members_total} {people})"),
            );
            if !topic.is_empty() {
                line(
                    out,
                    format_args!("* {room} is about: {}", escape::visible(topic)),
                );
            }
        }
        Reply::Parted { room } => line(out, format_args!("* you left {room}")),
        Reply::Names { reset: true, .. } => {}
        Reply::Names {
            room,
            members,
            more,
            ..
        } => {
            let names: Vec<&str> = members.iter().map(Nick::as_str).collect();
            let more = if *more { ", ..." } else { "" };
            line(out, format_args!("* in {room}: {}{more}", names.join(", ")));
        }
        Reply::Rooms { rooms, more } => {
            for RoomLine {
                room,
                members,
                topic,
            } in *rooms
            {
                match escape::visible(topic) {
                    topic if topic.is_empty() => line(out, format_args!("* {room} ({members})")),
                    topic => line(out, format_args!("* {room} ({members}): {topic}")),
                }
            }
            if *more {
                line(out, format_args!("* ..."));
            }
        }
        Reply::Topic { room, topic } => match topic.filter(|topic| !topic.text.is_empty()) {
            Some(topic) => {
                let text = escape::visible(&topic.text);
                line(
                    out,
                    format_args!("* {room} is about: {text} (set by {})", topic.nick),
                );
            }
            None => line(out, format_args!("* {room} has no topic")),
        },
        Reply::History {
            room, first, last, ..
        } => match (last + 1).saturating_sub(*first) {
            0 => line(out, format_args!("* nothing was said in {room} so far")),
            1 => line(out, format_args!("* that was 1 message of {room}, in UTC")),
            count => line(
                out,
                format_args!("* those were {count} messages of {room}, in UTC"),
            ),
        },
        Reply::Nick { username } => line(out, format_args!("* you are now {username}")),
        Reply::Notice { text, .. } => line(out, format_args!("* {}", escape::visible(text))),
        Reply::Error { text, .. } | Reply::Bye { text, .. } => {
            line(out, format_args!("! {}", escape::visible(text)));
        }
        Reply::Gap { .. } | Reply::HistoryExpired { .. } => {
            if let Some(text) = two_fields(reply) {
                line(out, format_args!("! {text}"));
            }
        }
        Reply::Welcome { .. }
        | Reply::Ack { .. }
        | Reply::PrivateAck { .. }
        | Reply::Ping
        | Reply::Pong { .. } => {}
    }
}
