//! The words of the admin protocol that the daemon and `chatctl` share.
//!
//! One JSON-RPC 2.0 object per line in each direction; batches and notifications are refused.

/// Longest request, in bytes without its line end.
pub const LONGEST_REQUEST: usize = 64 * 1024;
/// Longest answer, in bytes without its line end. Lists are cut into pages below it.
pub const LONGEST_ANSWER: usize = 1024 * 1024;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, exit $exit:literal;)+) => {
        /// Why a request was not carried out: the `code` of a JSON-RPC error.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code {
            $($(#[$doc])* $name,)+
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The number on the wire.
            pub const fn number(self) -> i64 {
                match self { $(Self::$name => $number,)+ }
            }

            /// The exit status of a `chatctl` that meets it.
            pub const fn exit(self) -> u8 {
                match self { $(Self::$name => $exit,)+ }
            }
        }
    };
}

codes! {
    /// Not JSON.
    Parse = -32700, exit 1;
    /// JSON, but no request; or longer than allowed.
    Request = -32600, exit 1;
    /// No such method.
    Method = -32601, exit 1;
    /// The parameters make no sense.
    Params = -32602, exit 2;
    /// A fault of the daemon's own.
    Internal = -32603, exit 1;
    /// This caller may not do that.
    Denied = -32001, exit 4;
    /// It fits nobody.
    NoMatch = -32002, exit 5;
    /// Not in the phase that the daemon is in.
    State = -32003, exit 7;
    /// The configuration is faulty; `data` has `faults` and `total`.
    Rejected = -32004, exit 1;
    /// It fits several clients, and nobody said that this is meant.
    Unconfirmed = -32005, exit 2;
}

impl Code {
    /// The code with this number.
    pub fn of(number: i64) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.number() == number)
    }
}
