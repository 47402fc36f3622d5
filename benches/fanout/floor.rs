//! The floor: what a server costs that does nothing but the system calls.
//!
//! One thread, one epoll. Every line goes to every other socket, all lines of one wake-up in one
//! send per socket. There is no parsing, no names, no limits, no numbers, no metrics. What chatd
//! costs above this is the price of everything that it does.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

const LISTENER: u64 = u64::MAX;

struct Socket {
    stream: TcpStream,
    /// What did not fit.
    rest: Vec<u8>,
    /// A line that has begun.
    tail: Vec<u8>,
}

/// Serves on `port` until it is killed.
///
/// # Errors
/// The port cannot be had, or epoll fails.
pub fn run(port: u16) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    rustix::net::listen(&listener, 4096)?;
    listener.set_nonblocking(true)?;
    let poll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(
        &poll,
        &listener,
        EventData::new_u64(LISTENER),
        EventFlags::IN,
    )?;
    let mut sockets: Vec<Option<Socket>> = Vec::new();
    let mut events = Vec::with_capacity(1024);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        events.clear();
        if epoll::wait(&poll, rustix::buffer::spare_capacity(&mut events), None).is_err() {
            continue;
        }
        let mut batch: Vec<u8> = Vec::new();
        let mut authors: Vec<(usize, usize, usize)> = Vec::new();
        for event in &events {
            let (at, flags) = (event.data.u64(), event.flags);
            if at == LISTENER {
                accept(&listener, &poll, &mut sockets)?;
                continue;
            }
            let at = at as usize;
            let Some(socket) = &mut sockets[at] else {
                continue;
            };
            if flags.contains(EventFlags::OUT) && !socket.rest.is_empty() {
                flush(socket);
                want(&poll, at, socket)?;
            }
            if flags.contains(EventFlags::IN) {
                let begin = batch.len();
                if !read(socket, &mut buffer, &mut batch) {
                    sockets[at] = None;
                    batch.truncate(begin);
                } else if batch.len() > begin {
                    authors.push((at, begin, batch.len()));
                }
            }
        }
        if !batch.is_empty() {
            spread(&poll, &mut sockets, &batch, &authors)?;
        }
    }
}

fn accept(
    listener: &TcpListener,
    poll: &impl AsFd,
    sockets: &mut Vec<Option<Socket>>,
) -> io::Result<()> {
    while let Ok((stream, _)) = listener.accept() {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let data = EventData::new_u64(sockets.len() as u64);
        epoll::add(poll, &stream, data, EventFlags::IN)?;
        sockets.push(Some(Socket {
            stream,
            rest: Vec::new(),
            tail: Vec::new(),
        }));
    }
    Ok(())
}

/// Appends the whole lines that came. False at the end.
fn read(socket: &mut Socket, buffer: &mut [u8], batch: &mut Vec<u8>) -> bool {
    loop {
        match socket.stream.read(buffer) {
            Ok(0) => return false,
            Ok(count) => {
                let bytes = &buffer[..count];
                match memchr::memrchr(b'\n', bytes) {
                    Some(end) => {
                        batch.append(&mut socket.tail);
                        batch.extend_from_slice(&bytes[..=end]);
                        socket.tail.extend_from_slice(&bytes[end + 1..]);
                    }
                    None => socket.tail.extend_from_slice(bytes),
                }
                if count < buffer.len() {
                    return true;
                }
            }
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
        }
    }
}

fn spread(
    poll: &impl AsFd,
    sockets: &mut [Option<Socket>],
    batch: &[u8],
    authors: &[(usize, usize, usize)],
) -> io::Result<()> {
    for (at, slot) in sockets.iter_mut().enumerate() {
        let Some(socket) = slot else { continue };
        match authors.iter().find(|(author, ..)| *author == at) {
            None => send(socket, batch),
            Some((_, begin, end)) => {
                for part in [&batch[..*begin], &batch[*end..]] {
                    if !part.is_empty() {
                        send(socket, part);
                    }
                }
            }
        }
        if !socket.rest.is_empty() {
            want(poll, at, socket)?;
        }
    }
    Ok(())
}

fn send(socket: &mut Socket, bytes: &[u8]) {
    if !socket.rest.is_empty() {
        return socket.rest.extend_from_slice(bytes);
    }
    let written = socket.stream.write(bytes).unwrap_or(0);
    socket.rest.extend_from_slice(&bytes[written..]);
}

fn flush(socket: &mut Socket) {
    let written = socket.stream.write(&socket.rest).unwrap_or(0);
    socket.rest.drain(..written);
}

fn want(poll: &impl AsFd, at: usize, socket: &Socket) -> io::Result<()> {
    let mut flags = EventFlags::IN;
    if !socket.rest.is_empty() {
        flags |= EventFlags::OUT;
    }
    epoll::modify(poll, &socket.stream, EventData::new_u64(at as u64), flags)?;
    Ok(())
}
