//! The first line decides the dialect; it is parsed, never searched.

use super::decode::{Fields, Flaw};
use crate::close::Detail;

/// Longest first line that does not begin with `{`, in bytes.
pub const FIRST_LINE: usize = 4096;

/// What a first line begins.
#[derive(Debug)]
pub enum Opening<'a> {
    /// A full session: the line is a request like any other.
    Full(Fields<'a>),
    /// A basic session: the line is a message like any other.
    Basic(Fields<'a>),
    /// An object with another `type`, or without what a first line needs: `hello_required`, close.
    HelloRequired,
    /// A line that begins like an object and is none; it may be tried again.
    Broken(Flaw),
    /// A text session. A command is carried out, anything else is not said.
    Text,
    /// Another protocol: closed at once, and nothing of it is interpreted. Says which.
    Foreign(Detail),
}

/// Decides by the whole first line. An object behind a byte order mark is a broken one: whoever sends
/// the mark means no text, and would go on to say objects as if they were.
pub fn open(line: &[u8]) -> Opening<'_> {
    let marked = line.strip_prefix("\u{feff}".as_bytes());
    if marked.unwrap_or(line).first() == Some(&b'{') {
        return match Fields::parse(line) {
            Err(flaw) => Opening::Broken(flaw),
            Ok(fields) => match fields.kind() {
                Some("hello") => Opening::Full(fields),
                Some(_) => Opening::HelloRequired,
                None if fields.is_basic() => Opening::Basic(fields),
                None => Opening::HelloRequired,
            },
        };
    }
    match foreign(line) {
        Some(name) => Opening::Foreign(name),
        None => Opening::Text,
    }
}

/// Another protocol that shows itself by its first bytes, before any line end.
pub fn foreign_start(bytes: &[u8]) -> Option<Detail> {
    match bytes {
        [0x16, ..] => Some(Detail::Tls),
        [first, ..] if *first >= 0x80 && starts_outside_utf8(bytes) => Some(Detail::NotUtf8),
        _ if bytes.starts_with(b"\r\n\r\n\0") => Some(Detail::Proxy),
        [b'*', ..] => Some(Detail::Resp),
        [b'\t' | b'\n' | b'\r', ..] => None,
        [first, ..] if first.is_ascii_control() => Some(Detail::Control),
        _ => None,
    }
}

fn starts_outside_utf8(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(4)];
    std::str::from_utf8(start)
        .is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_some())
}

fn foreign(line: &[u8]) -> Option<Detail> {
    if let Some(name) = foreign_start(line) {
        return Some(name);
    }
    let Ok(text) = std::str::from_utf8(line) else {
        return Some(Detail::NotUtf8);
    };
    if text.chars().any(|c| c.is_control() && c != '\t') {
        return Some(Detail::Control);
    }
    let mut words = text.split(' ');
    let first = words.next().unwrap_or_default();
    match first {
        "CAP" | "PASS" | "NICK" | "USER" => return Some(Detail::Irc),
        "EHLO" | "HELO" => return Some(Detail::Smtp),
        "PROXY" => return Some(Detail::Proxy),
        _ if first.starts_with("SSH-") => return Some(Detail::Ssh),
        _ => {}
    }
    let is_method = !first.is_empty() && first.bytes().all(|b| b.is_ascii_uppercase());
    let (target, version, end) = (words.next(), words.next(), words.next());
    let is_http = is_method
        && target.is_some_and(|target| !target.is_empty())
        && version.is_some_and(|version| version.starts_with("HTTP/"))
        && end.is_none();
    is_http.then_some(Detail::Http)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_decides() {
        let kind = |line: &str| match open(line.as_bytes()) {
            Opening::Full(_) => "full",
            Opening::Basic(_) => "basic",
            Opening::HelloRequired => "hello_required",
            Opening::Broken(_) => "broken",
            Opening::Text => "text",
            Opening::Foreign(detail) => detail.as_str(),
        };
        for (line, expected) in [
            (r#"{"type":"hello","version":1}"#, "full"),
            (r#"{"message":"hi","username":"a"}"#, "basic"),
            (
                r#"{"username":"a","message":"hi","x":[1,{"y":2}]}"#,
                "basic",
            ),
            (r#"{"type":"join","room":"x"}"#, "hello_required"),
            (r#"{"type":7}"#, "hello_required"),
            (r#"{"username":"a"}"#, "hello_required"),
            (r#"{"username":"a","message":1}"#, "hello_required"),
            (r#"{"username":"a","message":"hi""#, "broken"),
            (
                r#"{"username":"a","username":"b","message":"hi"}"#,
                "broken",
            ),
            ("\u{feff}{\"username\":\"a\",\"message\":\"hi\"}", "broken"),
            ("\u{feff}hello there", "text"),
            ("", "text"),
            ("/nick bob", "text"),
            ("hello there", "text"),
            ("GET is a word", "text"),
            ("GET / HTTP/1.1", "http"),
            ("POST /x HTTP/1.0", "http"),
            ("PRI * HTTP/2.0", "http"),
            ("SSH-2.0-OpenSSH_9.2", "ssh"),
            ("PROXY TCP4 1.2.3.4 5.6.7.8 1 2", "proxy"),
            ("NICK bob", "irc"),
            ("CAP LS 302", "irc"),
            ("EHLO example.org", "smtp"),
            ("*1", "resp"),
            ("\u{16}\u{3}\u{1}", "tls"),
            ("a\u{1b}[1m", "control"),
        ] {
            assert_eq!(kind(line), expected, "{line}");
        }
        assert!(matches!(
            open(b"caf\xe9"),
            Opening::Foreign(Detail::NotUtf8)
        ));
        assert_eq!(foreign_start(b"\r\n\r\n\0\r\nQUIT\n"), Some(Detail::Proxy));
        assert_eq!(foreign_start("é".as_bytes()), None);
    }
}
