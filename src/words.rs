//! Closed sets of which each value has one word.
//!
//! The word is the same wherever the value is seen: on the wire, in the configuration, in labels,
//! logs and tables.

/// An enum with a word for each value: `ALL` in order, `as_str`, and `Display` that shows the word.
///
/// With `of CASES: PARENT`, each value is a case of one of `PARENT`'s, and `CASES` says of which.
macro_rules! words {
    ($(#[$meta:meta])* $vis:vis enum $Set:ident {
        $($(#[$of_value:meta])* $name:ident = $word:literal,)+
    }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        $vis enum $Set {
            $($(#[$of_value])* $name,)+
        }

        impl $Set {
            /// Every value, in order.
            pub const ALL: [Self; [$($word,)+].len()] = [$(Self::$name,)+];

            /// The word.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }
        }

        impl std::fmt::Display for $Set {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
    ($(#[$meta:meta])* $vis:vis enum $Set:ident of $cases:ident: $Parent:ident {
        $($(#[$of_value:meta])* $name:ident = $parent:ident, $word:literal;)+
    }) => {
        $crate::words::words! {
            $(#[$meta])*
            $vis enum $Set {
                $($(#[$of_value])* $name = $word,)+
            }
        }

        impl $Set {
            /// What it is a case of.
            pub const fn $cases(self) -> $Parent {
                match self { $(Self::$name => $Parent::$parent,)+ }
            }
        }
    };
}

pub(crate) use words;
