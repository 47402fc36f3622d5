//! One connection: requests in, answers out, in order.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::caller::Caller;
use super::lines::{Line, next_line};
use super::methods::{self, Outcome};
use super::request::{Failure, Request, answer};
use super::stream::Stream;
use crate::control::Control;
use crate::rpc::{Code, LONGEST_REQUEST};

/// How long an operator may say nothing.
const IDLE: Duration = Duration::from_secs(600);
/// How long an answer may take to be read.
const STALL: Duration = Duration::from_secs(10);

/// Answers requests until the peer ends, says nothing for too long, or does not read; or until it only
/// listens from then on, to what comes back.
///
/// What the peer has begun and not ended, nobody can go on with then.
pub(super) async fn talk(
    from: &mut (impl AsyncBufRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    control: &Control,
    caller: &Caller,
) -> io::Result<Option<Box<Stream>>> {
    let ended = converse(from, to, control, caller).await;
    control.abandon_works_of(caller.id);
    ended
}

async fn converse(
    from: &mut (impl AsyncBufRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    control: &Control,
    caller: &Caller,
) -> io::Result<Option<Box<Stream>>> {
    let mut line = Vec::new();
    loop {
        match timeout(IDLE, next_line(from, &mut line, LONGEST_REQUEST)).await?? {
            Line::End => return Ok(None),
            Line::Whole => {
                let (reply, stream) = carry_out(&line, control, caller).await;
                send(to, &reply).await?;
                if stream.is_some() {
                    return Ok(stream);
                }
            }
            Line::TooLong => {
                let sentence = format!("a request has at most {LONGEST_REQUEST} bytes");
                let reply = answer(None, Err(Failure::new(Code::Request, sentence)));
                return send(to, &reply).await.map(|()| None);
            }
        }
    }
}

/// Writes what is listened to, until the peer says something or goes, or there is no more.
pub(super) async fn listen(
    from: &mut (impl AsyncBufRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
    mut stream: Box<Stream>,
) -> io::Result<()> {
    let pour = async {
        while let Some(line) = stream.next().await {
            // However long it takes: who has stopped reading is sent nothing, and told what they missed.
            to.write_all(&line).await?;
        }
        Ok(())
    };
    // Whichever ends first ends the connection: nothing that was half written goes on.
    tokio::select! {
        done = pour => done,
        _ = from.fill_buf() => Ok(()),
    }
}

/// Writes an answer within [`STALL`].
pub(super) async fn send(to: &mut (impl AsyncWrite + Unpin), reply: &[u8]) -> io::Result<()> {
    timeout(STALL, to.write_all(reply)).await?
}

async fn carry_out(
    line: &[u8],
    control: &Control,
    caller: &Caller,
) -> (Vec<u8>, Option<Box<Stream>>) {
    let request = match Request::parse(line) {
        Ok(request) => request,
        Err(failure) => return (answer(None, Err(failure)), None),
    };
    let (result, stream) = match methods::call(control, caller, &request).await {
        Ok(Outcome::Answer(value)) => (Ok(value), None),
        Ok(Outcome::Stream(value, stream)) => (Ok(value), Some(stream)),
        Err(failure) => (Err(failure), None),
    };
    (answer(request.id.as_ref(), result), stream)
}
