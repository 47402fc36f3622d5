//! Every way a request or a line is refused, under one word.
//!
//! The word is the `code` of the client's `error` and the `reason` of
//! `chatd_messages_rejected_total`.

use crate::words::words;

words! {
    /// Why a line was not carried out. A closed set.
    pub enum ErrorCode {
        /// Not one JSON object, a key twice, nested too deep, or a bare CR.
        BadJson = "bad_json",
        /// Not UTF-8.
        BadUtf8 = "bad_utf8",
        /// Longer than `limits.line`.
        LineTooLong = "line_too_long",
        /// The text is longer than `limits.message`.
        MessageTooLong = "message_too_long",
        /// The text is empty.
        EmptyMessage = "empty_message",
        /// No such `type`.
        UnknownType = "unknown_type",
        /// A field that the request needs is not there.
        MissingField = "missing_field",
        /// A field has the wrong type or an impossible value.
        BadField = "bad_field",
        /// The first object had a `type`, but not `hello`.
        HelloRequired = "hello_required",
        /// Somebody else has this name or one that looks like it.
        NickInUse = "nick_in_use",
        /// Not a name.
        NickInvalid = "nick_invalid",
        /// A name that nobody may take.
        NickReserved = "nick_reserved",
        /// Nobody has this name.
        NoSuchNick = "no_such_nick",
        /// Not a room name.
        RoomInvalid = "room_invalid",
        /// There is no such room.
        NoSuchRoom = "no_such_room",
        /// The session is not a member of the room.
        NotInRoom = "not_in_room",
        /// `limits.rooms_per_client`, `limits.rooms` or `history.max_rooms` is reached.
        TooManyRooms = "too_many_rooms",
        /// Faster than `limits.request_rate`.
        RateLimited = "rate_limited",
        /// A page of history was asked for by an epoch that is not the room's any more.
        HistoryExpired = "history_expired",
        /// The recipient does not read its private messages fast enough.
        RecipientBusy = "recipient_busy",
        /// The recipient's dialect has no private messages.
        CannotReceive = "cannot_receive",
        /// A ban matches the name, or the one that the identity was known by.
        Banned = "banned",
        /// The daemon is stopping and takes no new messages.
        Draining = "draining",
        /// The log could not take the message.
        StoreUnavailable = "store_unavailable",
    }
}

words! {
    /// What exactly is wrong with a line, where the code alone does not say. A closed set: each
    /// is a case of one code.
    pub enum Detail of code: ErrorCode {
        /// Not JSON at all.
        Syntax = BadJson, "syntax";
        /// It ends before the object does.
        Truncated = BadJson, "truncated";
        /// JSON, but no object.
        NotAnObject = BadJson, "not_an_object";
        /// Something follows the object.
        Trailing = BadJson, "trailing";
        /// A key stands twice in one object, at any depth.
        DuplicateKey = BadJson, "duplicate_key";
        /// Nested too deep.
        Depth = BadJson, "depth";
        /// Half a surrogate pair, or the halves in the wrong order.
        Surrogate = BadJson, "surrogate";
        /// A raw control character inside a string.
        RawControl = BadJson, "control";
        /// A number that no number type holds.
        Number = BadJson, "number";
        /// A CR inside the line.
        BareCr = BadJson, "bare_cr";
        /// A byte order mark before the object.
        Bom = BadJson, "bom";
        /// `limits.rooms_per_client` is reached.
        RoomsPerClient = TooManyRooms, "rooms_per_client";
        /// `limits.rooms` is reached.
        Rooms = TooManyRooms, "rooms";
        /// `history.max_rooms` is reached.
        MaxRooms = TooManyRooms, "max_rooms";
        /// Longer than `limits.topic`.
        Topic = BadField, "topic";
        /// A CR inside a line of the text dialect.
        BareCrInText = BadField, "bare_cr";
        /// The first line of a session.
        FirstLine = LineTooLong, "first_line";
        /// One more mebibyte of a line that goes on and on.
        Endless = LineTooLong, "endless";
        /// In bytes of UTF-8.
        TextBytes = MessageTooLong, "bytes";
        /// Within `limits.message`, but its JSON escapes do not fit a line.
        TextEscapes = MessageTooLong, "escapes";
    }
}

/// A line that was refused: the code, and what exactly where there is more to say. The two always
/// belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rejection {
    code: ErrorCode,
    detail: Option<Detail>,
}

impl Rejection {
    /// How many there are.
    pub const COUNT: usize = ErrorCode::ALL.len() + Detail::ALL.len();

    /// Every rejection, in the order of [`Rejection::index`].
    pub fn all() -> impl Iterator<Item = Self> {
        let plain = ErrorCode::ALL.iter().map(|&code| code.into());
        plain.chain(Detail::ALL.iter().map(|&detail| detail.into()))
    }

    /// Its place among all.
    pub const fn index(self) -> usize {
        match self.detail {
            None => self.code as usize,
            Some(detail) => ErrorCode::ALL.len() + detail as usize,
        }
    }

    /// The code.
    pub const fn code(self) -> ErrorCode {
        self.code
    }

    /// The words for the labels `reason` and `detail`; the second is empty if there is nothing more to say.
    pub const fn words(self) -> [&'static str; 2] {
        let detail = match self.detail {
            None => "",
            Some(detail) => detail.as_str(),
        };
        [self.code.as_str(), detail]
    }
}

impl From<ErrorCode> for Rejection {
    fn from(code: ErrorCode) -> Self {
        Self { code, detail: None }
    }
}

impl From<Detail> for Rejection {
    fn from(detail: Detail) -> Self {
        Self {
            code: detail.code(),
            detail: Some(detail),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_rejection_has_a_place_and_words_of_its_own() {
        let all: Vec<_> = Rejection::all().collect();
        assert_eq!(all.len(), Rejection::COUNT);
        for (at, rejection) in all.iter().enumerate() {
            assert_eq!(rejection.index(), at, "{rejection:?}");
        }
        let words: BTreeSet<_> = all.iter().map(|rejection| rejection.words()).collect();
        assert_eq!(words.len(), Rejection::COUNT);
    }
}
