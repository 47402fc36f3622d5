//! The first line.

use super::json::Tree;
use crate::close::Detail;
use crate::wire::{Opening, foreign_start, open};

/// The first line decides by what it is and not by what it holds: an object is never text, text
/// is never an object nor anything that a terminal would obey, and what shows itself as foreign by
/// its first bytes is foreign as a whole, under the same word.
pub fn opening(line: &[u8]) {
    let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let tree = Tree::read(line);
    let opening = open(line);
    for end in 0..=line.len().min(8) {
        if let Some(detail) = foreign_start(&line[..end]) {
            assert!(
                matches!(opening, Opening::Foreign(whole) if whole == detail),
                "{detail:?} after {end} bytes, and then {opening:?}"
            );
        }
    }
    match opening {
        Opening::Full(_) => {
            let tree = tree.expect("a hello is JSON");
            assert_eq!(tree.text("type"), Some("hello"));
        }
        Opening::Basic(_) => {
            let tree = tree.expect("two fields are JSON");
            assert!(tree.text("username").is_some() && tree.text("message").is_some());
            assert!(!tree.has("type"), "what has a type is not basic");
        }
        Opening::HelloRequired => {
            let tree = tree.expect("an object is JSON");
            assert!(tree.is_object() && tree.text("type") != Some("hello"));
            let two = tree.text("username").is_some() && tree.text("message").is_some();
            assert!(tree.has("type") || !two);
        }
        Opening::Broken(_) => {
            let unmarked = line.strip_prefix("\u{feff}".as_bytes());
            assert_eq!(unmarked.unwrap_or(line).first(), Some(&b'{'));
        }
        Opening::Text => {
            let text = std::str::from_utf8(line).expect("text is UTF-8");
            assert!(!text.starts_with(['{', '*']));
            assert!(text.chars().all(|c| c == '\t' || !c.is_control()));
            assert!(!is_http(text), "{text:?} is a request line");
        }
        Opening::Foreign(detail) => {
            assert_eq!(detail.reason().as_str(), "protocol_error");
            assert_ne!(line.first(), Some(&b'{'), "an object is never foreign");
            assert_eq!(detail == Detail::Http, is_http_alone(line), "{line:?}");
        }
    }
}

/// METHOD SP target SP HTTP/…, by RFC 9112.
fn is_http(text: &str) -> bool {
    let words: Vec<&str> = text.split(' ').collect();
    matches!(words[..], [method, target, version]
        if !method.is_empty()
            && method.bytes().all(|byte| byte.is_ascii_uppercase())
            && !target.is_empty()
            && version.starts_with("HTTP/"))
}

/// As [`is_http`], where no other protocol begins with the same word.
fn is_http_alone(line: &[u8]) -> bool {
    const OTHERS: [&str; 7] = ["CAP", "PASS", "NICK", "USER", "EHLO", "HELO", "PROXY"];
    std::str::from_utf8(line).is_ok_and(|text| {
        let has_control = text.chars().any(|c| c != '\t' && c.is_control());
        let is_other = OTHERS
            .iter()
            .any(|other| text.split(' ').next() == Some(other));
        is_http(text) && !has_control && !is_other
    })
}
