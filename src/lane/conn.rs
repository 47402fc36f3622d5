//! The bytes of one session: a socket, or memory in a test.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use rustix::net::SendFlags;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;

/// A connection that no thread's runtime has taken yet.
#[derive(Debug)]
pub enum Peer {
    /// A client. Its socket does not block.
    Tcp(std::net::TcpStream),
    /// A test.
    Memory(DuplexStream),
}

impl Peer {
    /// Gives it to the runtime of this thread.
    pub(super) fn attach(self) -> io::Result<Conn> {
        Ok(match self {
            Self::Tcp(stream) => Conn::Tcp(TcpStream::from_std(stream)?),
            Self::Memory(stream) => Conn::Memory(stream),
        })
    }
}

/// Where a session's bytes come from and go to.
#[derive(Debug)]
pub(super) enum Conn {
    /// A client.
    Tcp(TcpStream),
    /// A test.
    Memory(DuplexStream),
}

impl Conn {
    /// Reads what is there; 0 is the end.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(into);
        ready!(match self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
            Self::Memory(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
        })?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Writes what fits. When nothing does, the waker is called once something will.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Memory(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    /// Writes several pieces as far as they fit, as `poll_write` does one.
    pub(super) fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
            Self::Memory(stream) => Pin::new(stream).poll_write_vectored(cx, pieces),
        }
    }

    /// Writes what fits now. Nobody is woken when more would fit.
    pub(super) fn try_write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            // The runtime's note of what is ready is passed by: it costs a look at memory that
            // nothing else needs, and says of an idle socket only that it is writable.
            Self::Tcp(stream) => {
                let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                Ok(rustix::net::send(&*stream, bytes, flags)?)
            }
            Self::Memory(stream) => {
                let mut cx = Context::from_waker(Waker::noop());
                match Pin::new(stream).poll_write(&mut cx, bytes) {
                    Poll::Ready(written) => written,
                    Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
                }
            }
        }
    }

    /// Ends the sending side.
    pub(super) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Memory(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
