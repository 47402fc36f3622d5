//! What there is to show, before anybody decides how.
//!
//! The strings are as they came: [`super::render`] escapes them.

/// One thing to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// Somebody said something in a room.
    Said {
        /// The room, if it has to be named because we are in several.
        room: Option<String>,
        /// Who.
        username: String,
        /// What.
        text: String,
    },
    /// Somebody said something to us alone.
    Private {
        /// Who.
        username: String,
        /// What.
        text: String,
    },
    /// Somebody came, went or changed their name.
    Presence {
        /// The room.
        room: String,
        /// Who, and what they did.
        change: Change,
    },
    /// We entered a room.
    Joined {
        /// The room.
        room: String,
        /// Its topic.
        topic: Option<String>,
        /// Who is there, unless the room is large.
        members: Option<Vec<String>>,
        /// How many are there.
        total: u64,
    },
    /// We left a room.
    Parted {
        /// The room.
        room: String,
    },
    /// Messages that will never be shown.
    Gap {
        /// The room.
        room: String,
        /// How many, if that is known.
        count: Option<u64>,
        /// The server's word for why.
        reason: String,
    },
    /// A page of a roster.
    Names {
        /// The room.
        room: String,
        /// Who is there.
        members: Vec<String>,
    },
    /// A page of the list of rooms: name, members, topic.
    Rooms(Vec<(String, u64, Option<String>)>),
    /// Something that was said before, of a page of history.
    Past {
        /// When, as the server wrote it.
        time: String,
        /// Who.
        username: String,
        /// What.
        text: String,
    },
    /// The end of a page of history.
    PastEnd {
        /// The room.
        room: String,
        /// How many messages the page has.
        count: u64,
        /// Whether there are older ones.
        more: bool,
    },
    /// A room's topic.
    Topic {
        /// The room.
        room: String,
        /// The topic.
        topic: String,
        /// Who set it.
        username: Option<String>,
    },
    /// A sentence from the server or its operator.
    Notice {
        /// The room that it is for.
        room: Option<String>,
        /// The sentence.
        text: String,
    },
    /// Something was not done.
    Failure {
        /// The message that was not said, if it was one.
        said: Option<String>,
        /// Why.
        text: String,
    },
    /// This program's own words about the connection.
    Status(String),
    /// The answer to `/help`.
    Help,
}

/// What somebody did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Entered.
    Joined(String),
    /// Left, or was disconnected, and why.
    Left(String, Option<String>),
    /// Has a new name.
    Renamed(String, String),
}
