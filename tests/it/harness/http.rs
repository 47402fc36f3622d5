//! Just enough HTTP to ask one thing.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::patience::within;

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// 200 and its kin.
    pub(crate) status: u16,
    /// Header lines, in lower case.
    pub(crate) headers: Vec<String>,
    /// What it is about.
    pub(crate) body: String,
}

impl Answer {
    /// `GET path`, as somebody who calls the server `host`.
    pub(crate) async fn get(server: SocketAddr, path: &str, host: &str) -> Self {
        Self::to(
            server,
            &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
        )
        .await
    }

    /// Whatever the server answers to this text before it closes.
    pub(crate) async fn to(server: SocketAddr, request: &str) -> Self {
        let exchange = async {
            let mut stream = TcpStream::connect(server).await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        };
        Self::parse(&within("an HTTP answer", exchange).await)
    }

    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").expect("a head and a body");
        let mut lines = head.lines();
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let headers: Vec<String> = lines.map(str::to_ascii_lowercase).collect();
        let chunked = headers
            .iter()
            .any(|header| header == "transfer-encoding: chunked");
        let body = if chunked {
            unchunk(body)
        } else {
            body.to_owned()
        };
        Self {
            status,
            headers,
            body,
        }
    }
}

fn unchunk(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        whole.push_str(&rest[..size]);
        body = rest[size..].trim_start_matches("\r\n");
    }
    whole
}
