//! The ring: sends, receives and polls of numbered sockets, and their completions.

use std::io;
use std::mem::{forget, take};
use std::os::fd::{AsRawFd as _, BorrowedFd};

use io_uring::types::{CancelBuilder, Fixed, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};

use crate::buffers::Buffers;

/// The only group of receive buffers.
const GROUP: u16 = 0;
const SECOND_NS: u64 = 1_000_000_000;
/// How often dropping a ring asks for what is still under way, 10 ms each time.
const LAST_WAITS: u32 = 50;

/// What a completion is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// [`Ring::poll_writable`]; `result` has the poll flags.
    Writable,
    /// [`Ring::receive`]; 0 is the end. `more` says that it goes on by itself.
    Received,
    /// [`Ring::send`].
    Sent,
    /// [`Ring::poll_waker`]; `more` says that it goes on by itself.
    Woken,
}

/// Something ended, or went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// What it is of.
    pub kind: Kind,
    /// The slot it was asked for.
    pub slot: u32,
    /// The serial that was given with it.
    pub serial: u32,
    /// The kernel's result; below 0 an error number.
    pub result: i32,
    /// Whether further completions of the same operation follow.
    pub more: bool,
    /// The receive buffer with `result` bytes; see [`Ring::bytes`] and [`Ring::give_back`].
    pub buffer: Option<u16>,
}

/// An io_uring with receive buffers and an outbox per slot. It must be used on one thread from the first operation on.
pub struct Ring {
    ring: IoUring,
    buffers: Option<Buffers>,
    outboxes: Vec<Vec<u8>>,
    /// Which outboxes the kernel may be reading.
    sending: Box<[bool]>,
    /// Operations whose last completion has not been seen.
    under_way: usize,
    enabled: bool,
}

// SAFETY: the pointers in it are to memory that it owns alone and that is on no thread's stack; the kernel forbids use on
// two threads by itself (single issuer).
unsafe impl Send for Ring {}

impl Ring {
    /// Returns a ring for so many slots, with at least so many receive buffers of a size.
    ///
    /// # Errors
    /// When the kernel has no io_uring, not its features of Linux 6.1, or forbids it, as containers often do.
    pub fn new(slots: u32, buffers: u16, buffer_bytes: u32) -> io::Result<Self> {
        let entries = (2 * slots + 16).next_power_of_two().clamp(64, 4_096);
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_submit_all()
            .setup_r_disabled()
            .setup_cqsize(4 * entries)
            .build(entries)?;
        let buffers = Buffers::new(buffers, buffer_bytes);
        // SAFETY: both stay in the same value, and its `drop` frees the buffers only when no receive is under way; here
        // none has begun, and after an error the ring is destroyed without any.
        unsafe { buffers.register(&ring.submitter(), GROUP)? };
        ring.submitter().register_files_sparse(slots.max(1))?;
        Ok(Self {
            ring,
            buffers: Some(buffers),
            outboxes: vec![Vec::new(); slots as usize],
            sending: vec![false; slots as usize].into(),
            under_way: 0,
            enabled: false,
        })
    }

    /// Makes a socket the one of a slot.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn attach(&mut self, slot: u32, socket: BorrowedFd<'_>) -> io::Result<()> {
        self.enable()?;
        self.ring.submitter().register_files_update(slot, &[socket.as_raw_fd()]).map(drop)
    }

    /// Takes a slot's socket away, after what was queued for it was submitted; what is under way keeps the socket open
    /// until it completes, so shut it down.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn detach(&mut self, slot: u32) -> io::Result<()> {
        self.submit()?;
        self.ring.submitter().register_files_update(slot, &[-1]).map(drop)
    }

    /// Queues a wait until a slot's socket can be written to or is broken.
    ///
    /// # Errors
    /// When no room can be made in the queue.
    pub fn poll_writable(&mut self, slot: u32, serial: u32) -> io::Result<()> {
        let entry = opcode::PollAdd::new(Fixed(slot), libc::POLLOUT as u32).build();
        // SAFETY: the operation uses no memory.
        unsafe { self.push(entry, Kind::Writable, slot, serial) }
    }

    /// Queues a wait, again and again, until an eventfd can be read; the kernel keeps the file open.
    ///
    /// # Errors
    /// When no room can be made in the queue.
    pub fn poll_waker(&mut self, waker: BorrowedFd<'_>) -> io::Result<()> {
        let fd = io_uring::types::Fd(waker.as_raw_fd());
        let entry = opcode::PollAdd::new(fd, libc::POLLIN as u32).multi(true).build();
        // SAFETY: the operation uses no memory.
        unsafe { self.push(entry, Kind::Woken, 0, 0)? };
        // Its number means this file only as long as the caller lends it.
        self.enable()?;
        self.submit()
    }

    /// Queues receives from a slot's socket, one completion for each piece that comes.
    ///
    /// # Errors
    /// When no room can be made in the queue.
    pub fn receive(&mut self, slot: u32, serial: u32) -> io::Result<()> {
        let entry = opcode::RecvMulti::new(Fixed(slot), GROUP).build();
        // SAFETY: it writes to buffers of the registered group alone, which live until it has completed.
        unsafe { self.push(entry, Kind::Received, slot, serial) }
    }

    /// Copies bytes to a slot's outbox and queues to send all of them; returns false when the send before is still under
    /// way there.
    ///
    /// # Errors
    /// When no room can be made in the queue.
    pub fn send(&mut self, slot: u32, serial: u32, bytes: &[u8]) -> io::Result<bool> {
        let at = slot as usize;
        if self.sending[at] {
            return Ok(false);
        }
        let outbox = &mut self.outboxes[at];
        outbox.clear();
        outbox.extend_from_slice(bytes);
        let length = u32::try_from(outbox.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        // The kernel sends on by itself what did not fit at once.
        let flags = libc::MSG_WAITALL | libc::MSG_NOSIGNAL;
        let entry = opcode::Send::new(Fixed(slot), outbox.as_ptr(), length).flags(flags).build();
        // SAFETY: the outbox has `length` bytes, and is neither changed nor freed before its completion: `sending` is set
        // until then, and dropping the ring waits for it or leaks.
        unsafe { self.push(entry, Kind::Sent, slot, serial)? };
        self.sending[at] = true;
        Ok(true)
    }

    /// Submits what is queued.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn submit(&mut self) -> io::Result<()> {
        if self.ring.submission().is_empty() { Ok(()) } else { settled(self.ring.submit()) }
    }

    /// Submits what is queued and waits until something completes or a time is over.
    ///
    /// # Errors
    /// When waiting itself fails.
    pub fn wait(&mut self, wait_ns: u64) -> io::Result<()> {
        self.enable()?;
        let time = Timespec::new().sec(wait_ns / SECOND_NS).nsec((wait_ns % SECOND_NS) as u32);
        settled(self.ring.submitter().submit_with_args(1, &SubmitArgs::new().timespec(&time)))
    }

    /// Returns the next completion.
    pub fn completed(&mut self) -> Option<Completion> {
        let entry = self.ring.completion().next()?;
        let (data, flags, result) = (entry.user_data(), entry.flags(), entry.result());
        let kind = [Kind::Writable, Kind::Received, Kind::Sent, Kind::Woken][(data >> 62) as usize];
        let (slot, serial, more) = ((data >> 32) as u32 & SLOTS, data as u32, cqueue::more(flags));
        self.under_way -= usize::from(!more);
        if kind == Kind::Sent {
            self.sending[slot as usize] = false;
        }
        let buffer = cqueue::buffer_select(flags);
        if let (Some(id), Some(buffers)) = (buffer, &mut self.buffers) {
            buffers.take(id, result.max(0) as u32);
        }
        Some(Completion { kind, slot, serial, result, more, buffer })
    }

    /// Returns what a receive buffer holds, from its completion until it is given back.
    #[must_use]
    pub fn bytes(&self, buffer: u16) -> &[u8] {
        self.buffers.as_ref().map_or(&[], |buffers| buffers.bytes(buffer))
    }

    /// Returns a receive buffer to the kernel.
    pub fn give_back(&mut self, buffer: u16) {
        if let Some(buffers) = &mut self.buffers {
            buffers.give_back(buffer);
        }
    }

    /// Makes the calling thread the one that uses the ring.
    fn enable(&mut self) -> io::Result<()> {
        if !self.enabled {
            self.ring.submitter().register_enable_rings()?;
            self.enabled = true;
        }
        Ok(())
    }

    /// # Safety
    /// What the entry points to must live, and stay as it is, until its last completion.
    unsafe fn push(&mut self, entry: squeue::Entry, kind: Kind, slot: u32, serial: u32) -> io::Result<()> {
        let entry = entry.user_data((kind as u64) << 62 | u64::from(slot & SLOTS) << 32 | u64::from(serial));
        if self.ring.submission().is_full() {
            self.enable()?;
            self.submit()?;
        }
        // SAFETY: the caller's promise.
        unsafe { self.ring.submission().push(&entry) }.map_err(|_| io::ErrorKind::WouldBlock)?;
        self.under_way += 1;
        Ok(())
    }
}

/// The bits of a slot in a completion's data; above them the kind, below them the serial.
const SLOTS: u32 = (1 << 30) - 1;

/// A time-out, a signal and a full completion queue end an enter, and are no faults.
fn settled(result: io::Result<usize>) -> io::Result<()> {
    match result {
        Err(error) if !matches!(error.raw_os_error(), Some(libc::ETIME | libc::EINTR | libc::EBUSY | libc::EAGAIN)) => {
            Err(error)
        }
        _ => Ok(()),
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        if self.under_way > 0 && self.submit().is_ok() {
            let limit = io_uring::types::Timespec::new().sec(1);
            let _ = self.ring.submitter().register_sync_cancel(Some(limit), CancelBuilder::any());
            for _ in 0..LAST_WAITS {
                while self.completed().is_some() {}
                if self.under_way == 0 || self.wait(SECOND_NS / 100).is_err() {
                    break;
                }
            }
        }
        if self.under_way > 0 {
            // The kernel may still use them.
            forget(self.buffers.take());
            forget(take(&mut self.outboxes));
        }
    }
}
