//! Lists that come in pages.

use serde_json::{Map, Value, json};

use super::link::Link;
use super::trouble::Trouble;

/// Rows of a page. The daemon cuts a page shorter where its line would become too long.
const PAGE: usize = 1000;

/// All rows of a list but the first so many, page after page, at most `limit` of them.
pub(super) fn all(
    link: &mut Link,
    method: &str,
    rows: &str,
    mut params: Map<String, Value>,
    skip: usize,
    limit: Option<usize>,
) -> Result<Vec<Value>, Trouble> {
    let mut all = Vec::new();
    if skip > 0 {
        params.insert("skip".to_owned(), json!(skip));
    }
    loop {
        let wanted = limit.map_or(PAGE, |limit| PAGE.min(limit - all.len()));
        if wanted == 0 {
            return Ok(all);
        }
        params.insert("limit".to_owned(), json!(wanted));
        let mut page = link.call(method, Value::Object(params.clone()), "list them")?;
        match page[rows].take() {
            Value::Array(rows) => all.extend(rows),
            _ => {
                return Err(Trouble::Failed(format!(
                    "the daemon's answer has no {rows}"
                )));
            }
        }
        match page["next"].take() {
            Value::Null => return Ok(all),
            next => params.insert("cursor".to_owned(), next),
        };
        // The cursor stands behind them.
        params.remove("skip");
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;
    use crate::ctl::args::At;
    use crate::places::Surroundings;

    /// A daemon with seven rows that cuts every page to at most three, and tells how it was asked.
    fn daemon(listener: UnixListener) -> Vec<Value> {
        let (stream, _) = listener.accept().unwrap();
        let mut stream = BufReader::new(stream);
        let mut asked = Vec::new();
        let mut line = String::new();
        while stream.read_line(&mut line).unwrap() > 0 {
            let request: Value = serde_json::from_str(&line).unwrap();
            let params = request["params"].clone();
            let from = params["cursor"].as_u64().unwrap_or(0);
            let from = 7.min(from + params["skip"].as_u64().unwrap_or(0));
            let to = 7.min(from + params["limit"].as_u64().unwrap().min(3));
            let rows: Vec<u64> = (from..to).collect();
            let next = (to < 7).then_some(to);
            let answer = json!({"id": request["id"], "result": {"rows": rows, "next": next}});
            writeln!(stream.get_mut(), "{answer}").unwrap();
            asked.push(params);
            line.clear();
        }
        asked
    }

    fn list(skip: usize, limit: Option<usize>) -> (Vec<Value>, Vec<Value>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let daemon = thread::spawn(move || daemon(listener));
        let at = At {
            socket: Some(path),
            addr: None,
            token_file: None,
        };
        let mut link = Link::open(&at, &Surroundings::default()).unwrap();
        let params = Map::from_iter([("sort".to_owned(), json!("id"))]);
        let rows = all(&mut link, "list", "rows", params, skip, limit).unwrap();
        drop(link);
        (rows, daemon.join().unwrap())
    }

    #[test]
    fn pages_are_read_to_the_end_or_to_the_limit() {
        let (rows, asked) = list(0, None);
        assert_eq!(rows, [0, 1, 2, 3, 4, 5, 6].map(Value::from));
        assert_eq!(asked.len(), 3);
        assert_eq!(asked[2], json!({"sort": "id", "limit": 1000, "cursor": 6}));
        let (rows, asked) = list(0, Some(4));
        assert_eq!(rows.len(), 4);
        assert_eq!(asked[1]["limit"], 1);
        assert_eq!(list(0, Some(0)), (Vec::new(), Vec::new()));
    }

    #[test]
    fn what_is_skipped_is_skipped_by_the_daemon_and_once() {
        let (rows, asked) = list(2, Some(4));
        assert_eq!(rows, [2, 3, 4, 5].map(Value::from));
        assert_eq!(
            asked,
            [
                json!({"sort": "id", "skip": 2, "limit": 4}),
                json!({"sort": "id", "limit": 1, "cursor": 5}),
            ]
        );
    }
}
