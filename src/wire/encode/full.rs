//! Replies as objects with a type.

use super::event::topic_object;
use super::object::Object;
use super::past::EXPIRED;
use super::{Reply, bye};
use crate::event::Durability;
use crate::fault::ErrorCode;
use crate::name::{Nick, RoomName};

/// Appends a reply as an object.
pub(super) fn full(reply: &Reply<'_>, label: Option<&str>, out: &mut Vec<u8>) {
    match reply {
        Reply::Welcome {
            session,
            server,
            username,
            presence,
            resume,
            limits,
        } => {
            let mut object = Object::typed(out, "welcome")
                .maybe("label", label)
                .number("version", 1)
                .text("server", server)
                .text("software", concat!("chatd/", env!("CARGO_PKG_VERSION")))
                .text("session", &session.to_string())
                .text("username", username.as_str())
                .texts("caps", presence.then_some("presence"))
                .text("resume", resume);
            object.key("limits");
            Object::open(object.out)
                .number("line", limits.line as u64)
                .number("message", limits.message as u64)
                .number("rooms_per_client", limits.rooms_per_client as u64)
                .number("unacked", limits.unacked as u64)
                .out
                .push(b'}');
            object
                .number("ping_interval_ms", limits.ping_interval.as_millis() as u64)
                .end();
        }
        Reply::Ack {
            room,
            stamp,
            durability,
            duplicate,
            cid,
        } => {
            let object = ack(out, label, *cid)
                .text("room", room.as_str())
                .text("epoch", stamp.epoch.as_str())
                .number("seq", stamp.seq);
            end_ack(object, stamp.time_ms, *durability, *duplicate);
        }
        Reply::PrivateAck {
            to,
            time_ms,
            duplicate,
            cid,
        } => {
            let object = ack(out, label, *cid).text("to", to);
            end_ack(object, *time_ms, Durability::None, *duplicate);
        }
        Reply::Private(private) => Object::typed(out, "message")
            .text("to", private.to_nick.as_str())
            .time("time", private.time_ms)
            .text("username", private.from.as_str())
            .text("message", &private.text)
            .maybe("cid", private.cid.as_deref())
            .end(),
        Reply::Joined {
            room,
            epoch,
            seq,
            first,
            topic,
            members_total,
            members,
        } => {
            let object = Object::typed(out, "joined")
                .maybe("label", label)
                .text("room", room.as_str())
                .text("epoch", epoch.as_str())
                .number("seq", *seq)
                .number("first", *first)
                .text("topic", topic)
                .number("members_total", *members_total as u64);
            match members {
                Some(members) => object.texts("members", members.iter().map(Nick::as_str)),
                None => object,
            }
            .end();
        }
        Reply::Parted { room } => {
            Object::typed(out, "parted")
                .maybe("label", label)
                .text("room", room.as_str())
                .end();
        }
        Reply::Gap {
            room,
            epoch,
            from_to,
            reason,
            recoverable,
        } => {
            let object = Object::typed(out, "gap")
                .maybe("label", label)
                .text("room", room.as_str())
                .text("epoch", epoch.as_str());
            match from_to {
                Some((from, to)) => object
                    .number("from", *from)
                    .number("to", *to)
                    .number("count", to - from + 1),
                None => object,
            }
            .text("reason", reason.as_str())
            .flag("recoverable", *recoverable)
            .end();
        }
        Reply::Names {
            room,
            members,
            more,
            reset,
        } => {
            let object = Object::typed(out, "names")
                .maybe("label", label)
                .text("room", room.as_str())
                .texts("members", members.iter().map(Nick::as_str))
                .flag("more", *more);
            if *reset {
                object.flag("reset", true)
            } else {
                object
            }
            .end();
        }
        Reply::Rooms { rooms, more } => {
            let mut object = Object::typed(out, "rooms").maybe("label", label);
            object.key("rooms");
            object.out.push(b'[');
            for (at, line) in rooms.iter().enumerate() {
                if at > 0 {
                    object.out.push(b',');
                }
                Object::open(object.out)
                    .text("room", line.room.as_str())
                    .number("members", line.members as u64)
                    .text("topic", &line.topic)
                    .out
                    .push(b'}');
            }
            object.out.push(b']');
            object.flag("more", *more).end();
        }
        Reply::Topic { room, topic } => topic_object(room, *topic, label, out),
        Reply::History {
            room,
            epoch,
            first,
            last,
            more,
        } => Object::typed(out, "history")
            .maybe("label", label)
            .text("room", room.as_str())
            .text("epoch", epoch.as_str())
            .number("first", *first)
            .number("last", *last)
            .flag("more", *more)
            .end(),
        Reply::HistoryExpired { room, epoch, first } => Object::typed(out, "error")
            .maybe("label", label)
            .text("code", ErrorCode::HistoryExpired.as_str())
            .text("text", EXPIRED)
            .text("room", room.as_str())
            .text("epoch", epoch.as_str())
            .number("first", *first)
            .end(),
        Reply::Nick { username } => {
            Object::typed(out, "nick")
                .maybe("label", label)
                .text("username", username.as_str())
                .end();
        }
        Reply::Notice { text, room } => Object::typed(out, "notice")
            .text("text", text)
            .maybe("room", room.map(RoomName::as_str))
            .end(),
        Reply::Ping => Object::typed(out, "ping").end(),
        Reply::Pong { token } => {
            Object::typed(out, "pong")
                .maybe("label", label)
                .maybe("token", *token)
                .end();
        }
        Reply::Error {
            code,
            text,
            cid,
            room,
            retry_after_ms,
            limit,
        } => {
            let mut object = Object::typed(out, "error")
                .maybe("label", label)
                .text("code", code.as_str())
                .text("text", text)
                .maybe("cid", *cid)
                .maybe("room", *room);
            if let Some(ms) = retry_after_ms {
                object = object.number("retry_after_ms", *ms);
            }
            if let Some(limit) = limit {
                object = object.number("limit", *limit as u64);
            }
            object.end();
        }
        Reply::Bye {
            reason,
            text,
            retry_after_ms,
        } => {
            bye(
                out,
                reason.as_str(),
                text,
                reason.reconnect(),
                *retry_after_ms,
            )
            .end();
        }
    }
}

fn ack<'a>(out: &'a mut Vec<u8>, label: Option<&str>, cid: Option<&str>) -> Object<'a> {
    Object::typed(out, "ack")
        .maybe("label", label)
        .maybe("cid", cid)
}

fn end_ack(object: Object<'_>, time_ms: i64, durability: Durability, duplicate: bool) {
    let object = object
        .time("time", time_ms)
        .text("durability", durability.as_str());
    if duplicate {
        object.flag("duplicate", true)
    } else {
        object
    }
    .end();
}
