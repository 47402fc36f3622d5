//! One connection: requests in, answers out, in order.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::caller::Caller;
use super::lines::{Line, next_line};
use super::methods;
use super::request::{Failure, Request, answer};
use crate::control::Control;
use crate::rpc::{Code, LONGEST_REQUEST};

/// How long an operator may say nothing.
const IDLE: Duration = Duration::from_secs(600);
/// How long an answer may take to be read.
const STALL: Duration = Duration::from_secs(10);

/// Answers requests until the peer ends, says nothing for too long, or does not read.
pub(super) async fn talk(
    mut from: impl AsyncBufRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    control: &Control,
    caller: &Caller,
) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        match timeout(IDLE, next_line(&mut from, &mut line, LONGEST_REQUEST)).await?? {
            Line::End => return Ok(()),
            Line::Whole => {
                let reply = carry_out(&line, control, caller).await;
                send(&mut to, &reply).await?;
            }
            Line::TooLong => {
                let sentence = format!("a request has at most {LONGEST_REQUEST} bytes");
                let reply = answer(None, Err(Failure::new(Code::Request, sentence)));
                return send(&mut to, &reply).await;
            }
        }
    }
}

/// Writes an answer within [`STALL`].
pub(super) async fn send(to: &mut (impl AsyncWrite + Unpin), reply: &[u8]) -> io::Result<()> {
    timeout(STALL, to.write_all(reply)).await?
}

async fn carry_out(line: &[u8], control: &Control, caller: &Caller) -> Vec<u8> {
    match Request::parse(line) {
        Ok(request) => {
            let result = methods::call(control, caller, &request).await;
            answer(request.id.as_ref(), result)
        }
        Err(failure) => answer(None, Err(failure)),
    }
}
