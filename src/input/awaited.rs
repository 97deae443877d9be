//! How can somebody who waits for a pipe be told to stop?
//!
//! A read of standard input sleeps until bytes come, and nothing else wakes it. So it is asked in
//! short turns whether there is something to read (poll(2)), and between them whether anybody
//! still wants it.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Meter;

/// How long a turn is: nobody notices that a run took so long to end.
const TURN: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// Standard input, read until the meter is stopped.
pub(super) struct Awaited {
    stdin: File,
    meter: Arc<Meter>,
}

impl Awaited {
    /// Standard input past the standard library's buffer, which would hide bytes from poll.
    pub(super) fn stdin(meter: Arc<Meter>) -> io::Result<Self> {
        let stdin = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        Ok(Self { stdin, meter })
    }

    fn wait(&self) -> io::Result<()> {
        loop {
            if self.meter.is_stopped() {
                return Err(io::Error::other("nobody waits for more"));
            }
            let mut stdin = [PollFd::new(&self.stdin, PollFlags::IN)];
            match poll(&mut stdin, Some(&TURN)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(cause) => return Err(cause.into()),
            }
        }
    }
}

impl Read for Awaited {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.wait()?;
        self.stdin.read(buf)
    }
}
