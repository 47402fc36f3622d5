//! Every way a request or a line is refused, under one word.
//!
//! The word is the `code` of the client's `error` and the `reason` of
//! `chatd_messages_rejected_total`.

use std::fmt;

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $word:literal;)+) => {
        /// Why a line was not carried out. A closed set.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum ErrorCode {
            $($(#[$doc])* $name,)+
        }

        impl ErrorCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The word for wire, metric label and log.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }
        }
    };
}

error_codes! {
    /// Not one JSON object, a key twice, nested too deep, or a bare CR.
    BadJson = "bad_json";
    /// Not UTF-8.
    BadUtf8 = "bad_utf8";
    /// Longer than `limits.line`.
    LineTooLong = "line_too_long";
    /// The text is longer than `limits.message`.
    MessageTooLong = "message_too_long";
    /// The text is empty.
    EmptyMessage = "empty_message";
    /// No such `type`.
    UnknownType = "unknown_type";
    /// A field that the request needs is not there.
    MissingField = "missing_field";
    /// A field has the wrong type or an impossible value.
    BadField = "bad_field";
    /// The first object had a `type`, but not `hello`.
    HelloRequired = "hello_required";
    /// Somebody else has this name or one that looks like it.
    NickInUse = "nick_in_use";
    /// Not a name.
    NickInvalid = "nick_invalid";
    /// A name that nobody may take.
    NickReserved = "nick_reserved";
    /// Nobody has this name.
    NoSuchNick = "no_such_nick";
    /// Not a room name.
    RoomInvalid = "room_invalid";
    /// There is no such room.
    NoSuchRoom = "no_such_room";
    /// The session is not a member of the room.
    NotInRoom = "not_in_room";
    /// `limits.rooms_per_client` or `limits.rooms` is reached.
    TooManyRooms = "too_many_rooms";
    /// Faster than `limits.request_rate`.
    RateLimited = "rate_limited";
    /// The recipient does not read its private messages fast enough.
    RecipientBusy = "recipient_busy";
    /// The recipient's dialect has no private messages.
    CannotReceive = "cannot_receive";
    /// The daemon is stopping and takes no new messages.
    Draining = "draining";
    /// The log could not take the message.
    StoreUnavailable = "store_unavailable";
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
