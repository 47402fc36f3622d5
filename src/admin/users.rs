//! Names of local users.
//!
//! Only `/etc/passwd` is asked: users of a directory service are written as numbers in
//! `admin.write_users`.

use std::fs;

/// The number of the user with this name; a number is itself.
pub(super) fn uid_of(name: &str) -> Option<u32> {
    name.parse().ok().or_else(|| {
        let passwd = fs::read_to_string("/etc/passwd").ok()?;
        find(&passwd, |user, _| user == name).map(|(_, uid)| uid)
    })
}

/// The name of the user with this number.
pub(super) fn name_of(uid: u32) -> Option<String> {
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    find(&passwd, |_, number| number == uid).map(|(name, _)| name.to_owned())
}

fn find(passwd: &str, wanted: impl Fn(&str, u32) -> bool) -> Option<(&str, u32)> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, uid) = (fields.next()?, fields.nth(1)?.parse().ok()?);
        wanted(name, uid).then_some((name, uid))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_of_users() {
        assert_eq!(uid_of("root"), Some(0));
        assert_eq!(uid_of("1234"), Some(1234));
        assert_eq!(uid_of("no-such-user"), None);
        assert_eq!(name_of(0).as_deref(), Some("root"));
        let passwd = "# a comment\nann:x:1000:1000::/u/ann:/bin/sh\n";
        assert_eq!(find(passwd, |name, _| name == "ann"), Some(("ann", 1000)));
    }
}
