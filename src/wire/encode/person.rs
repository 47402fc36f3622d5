//! Replies as lines for a person.

use super::line::line;
use super::{Reply, two_fields};
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
            for (room, members) in *rooms {
                line(out, format_args!("* {room} ({members})"));
            }
            if *more {
                line(out, format_args!("* ..."));
            }
        }
        Reply::Nick { username } => line(out, format_args!("* you are now {username}")),
        Reply::Notice { text, .. } => line(out, format_args!("* {}", escape::visible(text))),
        Reply::Error { text, .. } | Reply::Bye { text, .. } => {
            line(out, format_args!("! {}", escape::visible(text)));
        }
        Reply::Gap { .. } => {
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
