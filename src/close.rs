//! Every way a session ends, under one word.
//!
//! The same word stands in the client's `bye`, in the label of `chatd_connections_closed_total`,
//! in the log event `client.closed`, in the ring of closed connections and in `chatctl list-closed`.

use std::fmt;

macro_rules! close_reasons {
    ($($(#[$doc:meta])* $name:ident = $word:literal, announced: $announced:literal, reconnect: $reconnect:literal, text: $text:literal;)+) => {
        /// Why a session ended. A closed set: operators count these, clients show them, tests assert them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum CloseReason {
            $($(#[$doc])* $name,)+
        }

        impl CloseReason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The word for wire, metric label, log and table.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

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

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a connection was refused before it became a session.
///
/// The word is the `bye` code of the one refusal line and the `reason` of
/// `chatd_connections_refused_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Refusal {
    /// `limits.clients` or `limits.listeners` is reached.
    ServerFull,
    /// `limits.clients_per_address` or `limits.connect_rate` is reached.
    TooManyConnections,
    /// The daemon is stopping.
    Draining,
}

impl Refusal {
    /// Every refusal.
    pub const ALL: &'static [Self] = &[Self::ServerFull, Self::TooManyConnections, Self::Draining];

    /// The word for wire, metric label and log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ServerFull => CloseReason::ServerFull.as_str(),
            Self::TooManyConnections => CloseReason::TooManyConnections.as_str(),
            Self::Draining => "draining",
        }
    }

    /// The sentence for a person.
    pub const fn text(self) -> &'static str {
        match self {
            Self::ServerFull => CloseReason::ServerFull.text(),
            Self::TooManyConnections => CloseReason::TooManyConnections.text(),
            Self::Draining => CloseReason::ServerShutdown.text(),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
