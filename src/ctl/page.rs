//! Lists that come in pages.

use serde_json::{Map, Value, json};

use super::link::Link;
use super::trouble::Trouble;

/// Rows of a page. The daemon cuts a page shorter where its line would become too long.
const PAGE: usize = 1000;

/// All rows of a list, at most `limit` of them.
pub(super) fn all(
    link: &mut Link,
    method: &str,
    rows: &str,
    mut params: Map<String, Value>,
    limit: Option<usize>,
) -> Result<Vec<Value>, Trouble> {
    let mut all = Vec::new();
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
    }
}
