//! The admin door itself, for what a play only needs to know in passing.

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use super::daemon::Daemon;
use super::patience::within;

impl Daemon {
    /// Asks one thing over the Unix socket; it must be answered.
    pub(crate) async fn ask(&self, method: &str, params: Value) -> Value {
        let mut answer = self.try_ask(method, params).await;
        assert!(answer["result"].is_object(), "{method}: {answer}");
        answer["result"].take()
    }

    /// Asks one thing over the Unix socket; the whole answer, which may be a refusal.
    pub(crate) async fn try_ask(&self, method: &str, params: Value) -> Value {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let exchange = async {
            let mut stream =
                BufReader::new(UnixStream::connect(self.admin_socket()).await.unwrap());
            stream
                .write_all(format!("{request}\n").as_bytes())
                .await
                .unwrap();
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            line
        };
        let line = within("the operator is answered", exchange).await;
        serde_json::from_str(&line).unwrap()
    }

    /// Every client, page by page.
    pub(crate) async fn clients(&self) -> Vec<Value> {
        let mut rows = Vec::new();
        let mut query = json!({});
        loop {
            let mut page = self.ask("clients.list", query).await;
            rows.append(page["clients"].as_array_mut().unwrap());
            if page["next"].is_null() {
                return rows;
            }
            query = json!({ "cursor": page["next"] });
        }
    }
}
