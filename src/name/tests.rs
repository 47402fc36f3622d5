use super::*;

#[test]
fn ordinary_names_are_names() {
    for name in [
        "alice",
        "Bob-2",
        "a",
        "jörg",
        "мария",
        "山田",
        "x_y.z",
        "Anna Maria",
        "日本",
    ] {
        assert!(Nick::new(name).is_ok(), "{name}");
    }
    assert!(Nick::new(&"x".repeat(32)).is_ok());
    assert!(RoomName::new(&"x".repeat(64)).is_ok());
}

#[test]
fn what_is_not_a_name_says_why() {
    let long = "x".repeat(33);
    let bad = [
        "",
        &long,
        "12",
        " a",
        "a ",
        "a  b",
        "a/b",
        "a@b",
        "#a",
        "a:b",
        "a,b",
        "*",
        "a!",
        "<a>",
        "a\"",
        "a'",
        "a\u{7f}",
        "a\u{1b}[1m",
        "a\u{202e}b",
        "a\u{200b}b",
        "a\u{a0}b",
        "ﬁsh",
        "e\u{301}",
        "pаypal",
        "a\tb",
    ];
    for name in bad {
        assert!(
            matches!(Nick::new(name), Err(NameFault::Invalid(_))),
            "{name:?}"
        );
    }
    assert!(RoomName::new("two words").is_err());
    assert!(RoomName::new(&"x".repeat(65)).is_err());
}

#[test]
fn reserved_names_are_refused() {
    for name in ["chatd", "Admin", "SERVER", "system", "guest-1", "Guest-x"] {
        assert_eq!(Nick::new(name), Err(NameFault::Reserved), "{name}");
    }
    assert!(Nick::new("administrator").is_ok());
    assert_eq!(Nick::guest(7).as_str(), "guest-7");
}

proptest::proptest! {
    #[test]
    fn ascii_text_looks_like_its_characters_put_together(text in "[ -~]{0,64}") {
        let lower = text.to_lowercase();
        proptest::prop_assert_eq!(Key::of(&text).skeleton, skeleton(&lower).collect::<String>());
    }
}

#[test]
fn ascii_names_are_the_same_by_case_and_others_by_looks() {
    let mut names = Names::default();
    names.insert("modern", 1).unwrap();
    assert_eq!(names.insert("Modern", 2), Err(2));
    names.insert("modem", 3).unwrap();
    // Cyrillic letters that look like "oxo".
    names.insert("охо", 4).unwrap();
    assert_eq!(names.find("oxo"), Some(&4));
    assert_eq!(names.insert("OXO", 5), Err(5));
    assert_eq!(names.remove("oxo"), None, "a look-alike is not the holder");
    assert_eq!(names.remove("охо"), Some(4));
    assert_eq!(names.find("oxo"), None);
    names.insert("oxo", 6).unwrap();
    assert_eq!(names.len(), 3);
}

/// One person on each line, under every name that looks like theirs.
const CORPUS: &str = include_str!("../../tests/corpus/names.tsv");

#[test]
fn of_five_hundred_names_exactly_those_are_the_same_that_look_the_same() {
    let people: Vec<Vec<&str>> = CORPUS
        .lines()
        .map(|line| line.split('\t').collect())
        .collect();
    let names: Vec<(usize, &str)> = people
        .iter()
        .enumerate()
        .flat_map(|(person, names)| names.iter().map(move |name| (person, *name)))
        .collect();
    assert!(names.len() >= 500 && people.len() >= 200, "{}", names.len());
    for (at, (person, name)) in names.iter().enumerate() {
        assert!(Nick::new(name).is_ok(), "{name}: {:?}", Nick::new(name));
        for (other_person, other) in &names[at..] {
            let same = person == other_person;
            assert_eq!(is_same(name, other), same, "{name} and {other}");
            assert_eq!(is_same(other, name), same, "{other} and {name}");
        }
    }
    // The map agrees, whoever comes first.
    for turn in 0..4 {
        let mut taken = Names::default();
        for (person, names) in people.iter().enumerate() {
            let first = names[turn % names.len()];
            taken.insert(first, person).unwrap();
        }
        for (person, name) in &names {
            assert_eq!(taken.find(name), Some(person), "{name}");
            assert!(taken.insert(name, usize::MAX).is_err(), "{name}");
        }
    }
}

/// Text that is no name, and what is wrong with it.
const REFUSED: &str = include_str!("../../tests/corpus/no-names.tsv");

#[test]
fn what_hides_mixes_or_is_written_in_another_way_is_no_name() {
    let rows: Vec<(&str, String)> = REFUSED
        .lines()
        .map(|line| {
            let (why, name) = line.split_once('\t').unwrap();
            (why, serde_json::from_str(name).unwrap())
        })
        .collect();
    assert!(rows.len() >= 80, "{}", rows.len());
    for (why, name) in rows {
        let fault = Nick::new(&name).expect_err(&name).to_string();
        assert!(fault.contains(why), "{name:?}: {fault}, not {why}");
    }
}

#[test]
fn whatever_is_a_name_can_be_shown_as_it_is() {
    let mut names = 0;
    // Beyond the planes that are full of them, some of each block.
    let all = '\u{80}'..='\u{1ffff}';
    let rest = ('\u{20000}'..=char::MAX).step_by(101);
    for c in all.chain(rest).chain('\u{e0000}'..='\u{e01ff}') {
        for name in [format!("ab{c}cd"), format!("{c}")] {
            if let Ok(room) = RoomName::new(&name) {
                names += 1;
                assert_eq!(visible(room.as_str()), name, "{c:?}");
            }
        }
    }
    assert!(names > 50_000, "{names}");
}
