//! Every way a session ends, under one word.
//!
//! The same word stands in the client's `bye`, in the label of `chatd_connections_closed_total`,
//! in the log event `client.closed`, in the ring of closed connections and in `chatctl list-closed`.

use std::fmt;

use crate::words::words;

macro_rules! close_reasons {
    ($($(#[$doc:meta])* $name:ident = $word:literal, announced: $announced:literal, reconnect: $reconnect:literal, text: $text:literal;)+) => {
        words! {
            /// Why a session ended. A closed set: operators count these, clients show them, tests assert them.
            pub enum CloseReason {
                $($(#[$doc])* $name = $word,)+
            }
        }

        impl CloseReason {
            /// Whether a `bye` tells the client: true for every ending that the server chooses.
            pub const fn is_announced(self) -> bool {
                match self { $(Self::$name => $announced,)+ }
            }

            /// Whether a client does well to come back by itself (`bye.reconnect`).
            pub const fn reconnect(self) -> bool {
                match self { $(Self::$name => $reconnect,)+ }
            }

            /// The sentence for a person, where nobody gave a better one.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }
        }
    };
}

close_reasons! {
    /// The client said `quit`.
    ClientQuit = "client_quit", announced: false, reconnect: false, text: "you quit";
    /// The peer closed its sending side and everything was answered.
    PeerClosed = "peer_closed", announced: false, reconnect: false, text: "the connection was closed by the peer";
    /// The peer reset the connection.
    PeerReset = "peer_reset", announced: false, reconnect: false, text: "the connection was reset by the peer";
    /// Reading failed for another cause.
    ReadError = "read_error", announced: false, reconnect: false, text: "reading from the connection failed";
    /// Writing failed for another cause.
    WriteError = "write_error", announced: false, reconnect: false, text: "writing to the connection failed";
    /// The client does not read what it is sent.
    SlowConsumer = "slow_consumer", announced: true, reconnect: true, text: "this client does not read fast enough";
    /// The first line did not end in time (`limits.hello_timeout`).
    HelloTimeout = "hello_timeout", announced: true, reconnect: true, text: "the first line was not completed in time";
    /// A later line did not end in time (`limits.line_timeout`).
    LineTimeout = "line_timeout", announced: true, reconnect: true, text: "a line was begun and not completed in time";
    /// Nothing was said for `limits.idle_timeout`.
    IdleTimeout = "idle_timeout", announced: true, reconnect: true, text: "nothing was said for too long";
    /// A ping was not answered (`limits.ping_timeout`).
    PingTimeout = "ping_timeout", announced: true, reconnect: true, text: "a ping was not answered in time";
    /// Not the chat protocol, or too many faulty lines in a row.
    ProtocolError = "protocol_error", announced: true, reconnect: false, text: "this is not the chat protocol";
    /// Requests went on far above `limits.request_rate`.
    Flood = "flood", announced: true, reconnect: false, text: "too many requests";
    /// An operator ended the session.
    Kicked = "kicked", announced: true, reconnect: false, text: "removed by an operator";
    /// A ban matches the name or the address.
    Banned = "banned", announced: true, reconnect: false, text: "you are banned from this server";
    /// The same identity came back on another connection.
    Replaced = "replaced", announced: true, reconnect: false, text: "this identity is now used by another connection";
    /// `limits.clients` or `limits.listeners` is reached.
    ServerFull = "server_full", announced: true, reconnect: true, text: "the server is full";
    /// `limits.clients_per_address` or `limits.connect_rate` is reached.
    TooManyConnections = "too_many_connections", announced: true, reconnect: true, text: "too many connections from this address";
    /// The daemon is stopping.
    ServerShutdown = "server_shutdown", announced: true, reconnect: true, text: "the server is shutting down";
    /// A fault of the daemon's own.
    InternalError = "internal_error", announced: true, reconnect: true, text: "the server made a mistake and closed this connection";
}

words! {
    /// What exactly ended a session, where the reason alone does not say. A closed set: each
    /// word belongs to one reason.
    pub enum Detail of reason: CloseReason {
        /// An HTTP request line.
        Http = ProtocolError, "http";
        /// A TLS handshake.
        Tls = ProtocolError, "tls";
        /// An SSH banner.
        Ssh = ProtocolError, "ssh";
        /// An IRC registration.
        Irc = ProtocolError, "irc";
        /// An SMTP greeting.
        Smtp = ProtocolError, "smtp";
        /// A Redis command.
        Resp = ProtocolError, "resp";
        /// A PROXY header that was not configured, version 1 or 2.
        Proxy = ProtocolError, "proxy";
        /// A first line that is not UTF-8.
        NotUtf8 = ProtocolError, "not_utf8";
        /// Control characters in the first line.
        Control = ProtocolError, "control";
        /// The first object was neither a hello nor a basic message.
        HelloRequired = ProtocolError, "hello_required";
        /// The first line was too long.
        FirstLine = ProtocolError, "first_line";
        /// `limits.bad_lines` faulty lines in a row.
        BadLines = ProtocolError, "bad_lines";
        /// It took nothing for `limits.write_stall` while bytes waited.
        WriteStall = SlowConsumer, "write_stall";
        /// It acknowledged nothing for twice as long (`TCP_USER_TIMEOUT`).
        Unacknowledged = SlowConsumer, "unacknowledged";
        /// It fell further behind than `limits.lag_bytes` or `limits.lag_age`, and `limits.on_lag` says disconnect.
        Lag = SlowConsumer, "lag";
        /// `limits.listeners` is reached.
        Listeners = ServerFull, "listeners";
        /// A ban matches its name.
        BannedNick = Banned, "nick";
        /// A ban matches its address.
        BannedAddress = Banned, "address";
    }
}

/// An ending or a refusal of which there is nothing more to say has no word for it.
const NO_DETAIL: &str = "";

/// How a session ended: the reason, and what exactly where there is more to say. The two always
/// belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ending {
    reason: CloseReason,
    detail: Option<Detail>,
}

impl Ending {
    /// How many there are.
    pub const COUNT: usize = CloseReason::ALL.len() + Detail::ALL.len();

    /// Every ending, in the order of [`Ending::index`].
    pub fn all() -> impl Iterator<Item = Self> {
        let plain = CloseReason::ALL.iter().map(|&reason| reason.into());
        plain.chain(Detail::ALL.iter().map(|&detail| detail.into()))
    }

    /// Its place among all.
    pub const fn index(self) -> usize {
        match self.detail {
            None => self.reason as usize,
            Some(detail) => CloseReason::ALL.len() + detail as usize,
        }
    }

    /// Why.
    pub const fn reason(self) -> CloseReason {
        self.reason
    }

    /// The words for the labels `reason` and `detail`; the second is empty if there is nothing more to say.
    pub const fn words(self) -> [&'static str; 2] {
        let detail = match self.detail {
            None => NO_DETAIL,
            Some(detail) => detail.as_str(),
        };
        [self.reason.as_str(), detail]
    }
}

impl From<CloseReason> for Ending {
    fn from(reason: CloseReason) -> Self {
        Self {
            reason,
            detail: None,
        }
    }
}

impl From<Detail> for Ending {
    fn from(detail: Detail) -> Self {
        Self {
            reason: detail.reason(),
            detail: Some(detail),
        }
    }
}

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident = $word:expr, detail: $detail:expr, text: $text:expr;)+) => {
        /// Why a connection was refused before it became a session.
        ///
        /// The word is the `bye` code of the one refusal line and the `reason` of
        /// `chatd_connections_refused_total`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Refusal {
            $($(#[$doc])* $name,)+
        }

        impl Refusal {
            /// Every refusal.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// Every refusal, in the order of [`Refusal::index`].
            pub fn all() -> impl Iterator<Item = Self> {
                Self::ALL.iter().copied()
            }

            /// Its place among all.
            pub const fn index(self) -> usize {
                self as usize
            }

            /// The word for wire, metric label and log.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// The words for the labels `reason` and `detail`, as of an [`Ending`].
            pub const fn words(self) -> [&'static str; 2] {
                match self { $(Self::$name => [$word, $detail],)+ }
            }

            /// The sentence for a person.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$name => $text,)+ }
            }

            /// Whether a client does well to come back by itself (`bye.reconnect`).
            pub const fn reconnect(self) -> bool {
                !matches!(self, Self::Banned)
            }
        }
    };
}

refusals! {
    /// `limits.clients` is reached.
    ServerFull = CloseReason::ServerFull.as_str(), detail: "clients", text: CloseReason::ServerFull.text();
    /// `limits.listeners` is reached.
    Listeners = CloseReason::ServerFull.as_str(), detail: Detail::Listeners.as_str(), text: CloseReason::ServerFull.text();
    /// `limits.clients_per_address` is reached.
    PerAddress = CloseReason::TooManyConnections.as_str(), detail: "clients_per_address", text: CloseReason::TooManyConnections.text();
    /// `limits.connect_rate` is reached.
    ConnectRate = CloseReason::TooManyConnections.as_str(), detail: "connect_rate", text: CloseReason::TooManyConnections.text();
    /// A ban matches the address.
    Banned = CloseReason::Banned.as_str(), detail: Detail::BannedAddress.as_str(), text: CloseReason::Banned.text();
    /// An operator has paused the daemon.
    Paused = "paused", detail: NO_DETAIL, text: "the server lets nobody in for now";
    /// The daemon is stopping.
    Draining = "draining", detail: NO_DETAIL, text: CloseReason::ServerShutdown.text();
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_ending_and_each_refusal_has_a_place_and_words_of_its_own() {
        let endings: Vec<_> = Ending::all().collect();
        assert_eq!(endings.len(), Ending::COUNT);
        for (at, ending) in endings.iter().enumerate() {
            assert_eq!(ending.index(), at, "{ending:?}");
        }
        let words: BTreeSet<_> = endings.iter().map(|ending| ending.words()).collect();
        assert_eq!(words.len(), Ending::COUNT);
        let words: BTreeSet<_> = Refusal::all().map(Refusal::words).collect();
        assert_eq!(words.len(), Refusal::COUNT);
    }
}
