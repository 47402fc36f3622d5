//! Which program this is.

/// What identifies a binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Build {
    /// The version of the package.
    pub version: &'static str,
    /// The commit that it was built from; `unknown` outside a checkout.
    pub revision: &'static str,
    /// The compiler.
    pub rustc: &'static str,
}

/// What `--version` says: the version of the package, and the commit.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("CHATD_REVISION"), ")");

/// This binary.
pub const BUILD: Build = Build {
    version: env!("CARGO_PKG_VERSION"),
    revision: env!("CHATD_REVISION"),
    rustc: env!("CHATD_RUSTC"),
};
