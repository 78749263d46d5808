//! A ring of receive buffers that the kernel takes from (`IORING_REGISTER_PBUF_RING`, Linux 5.19).

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::Submitter;
use io_uring::types::BufRingEntry;

/// The ring must begin at a page.
const PAGE_BYTES: usize = 4_096;
/// The most entries that the kernel takes.
const ENTRIES_MAX: u16 = 1 << 15;
/// A buffer that is the kernel's.
const KERNEL_S: u32 = u32::MAX;

/// Buffers of one size; each is the kernel's until a completion names it, and ours until it is returned.
pub(crate) struct Buffers {
    entries: NonNull<BufRingEntry>,
    data: NonNull<u8>,
    count: u16,
    bytes: u32,
    tail: u16,
    /// How much each holds, [`KERNEL_S`] while it is not ours.
    filled: Box<[u32]>,
}

impl Buffers {
    /// Returns at least `count` buffers, a power of two.
    pub(crate) fn new(count: u16, bytes: u32) -> Self {
        let count = count.clamp(1, ENTRIES_MAX).checked_next_power_of_two().unwrap_or(ENTRIES_MAX);
        let bytes = bytes.clamp(64, 1 << 20);
        let entries = allocate(entries_layout(count)).cast();
        let data = allocate(data_layout(count, bytes));
        let filled = vec![0; usize::from(count)].into();
        let mut buffers = Self { entries, data, count, bytes, tail: 0, filled };
        (0..count).for_each(|id| buffers.give_back(id));
        buffers
    }

    /// Lends the buffers to a ring.
    ///
    /// # Safety
    /// They must not be dropped before the ring is destroyed and every receive of it has completed.
    pub(crate) unsafe fn register(&self, ring: &Submitter<'_>, group: u16) -> io::Result<()> {
        // SAFETY: `entries` is page-aligned memory of `count` entries, and it lives as long as the caller promises.
        unsafe { ring.register_buf_ring_with_flags(self.entries.as_ptr() as u64, self.count, group, 0) }
    }

    /// Notes that the kernel filled a buffer, which is ours from now on.
    pub(crate) fn take(&mut self, id: u16, filled: u32) {
        self.filled[usize::from(id)] = filled.min(self.bytes);
    }

    /// Returns what a buffer of ours holds; nothing for one of the kernel's.
    pub(crate) fn bytes(&self, id: u16) -> &[u8] {
        match self.filled.get(usize::from(id)) {
            None | Some(&KERNEL_S) => &[],
            // SAFETY: the offset is within `data`, which has `bytes` for every id below `count`, zeroed at first; `filled`
            // is at most `bytes`. The buffer is ours, so the kernel does not write to it until `give_back`, which needs
            // `&mut self` and so outlasts this borrow.
            Some(&filled) => unsafe { std::slice::from_raw_parts(self.place(id), filled as usize) },
        }
    }

    /// Returns a buffer to the kernel; does nothing for one that is the kernel's.
    pub(crate) fn give_back(&mut self, id: u16) {
        if self.filled.get(usize::from(id)).is_none_or(|&filled| filled == KERNEL_S) {
            return;
        }
        self.filled[usize::from(id)] = KERNEL_S;
        let (place, at) = (self.place(id), usize::from(self.tail & (self.count - 1)));
        // SAFETY: `at` is below `count`, so the entry is within `entries`. The kernel does not read it before the tail
        // passes it: at most `count` buffers are out at a time, for each is returned once per time that it was ours.
        let entry = unsafe { &mut *self.entries.as_ptr().add(at) };
        entry.set_addr(place as u64);
        entry.set_len(self.bytes);
        entry.set_bid(id);
        self.tail = self.tail.wrapping_add(1);
        // SAFETY: `entries` is the ring's first entry; its tail lies in that entry's reserved field, aligned, which
        // nothing else writes, and which only this atomic store and the kernel's loads touch.
        let tail = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(self.entries.as_ptr()).cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }

    fn place(&self, id: u16) -> *mut u8 {
        // SAFETY: callers pass ids below `count`; `data` has `count * bytes`.
        unsafe { self.data.as_ptr().add(usize::from(id) * self.bytes as usize) }
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        // SAFETY: both were allocated with these layouts and are freed once; by `register`'s contract the kernel uses
        // neither any more.
        unsafe {
            dealloc(self.entries.as_ptr().cast(), entries_layout(self.count));
            dealloc(self.data.as_ptr(), data_layout(self.count, self.bytes));
        }
    }
}

fn entries_layout(count: u16) -> Layout {
    layout(usize::from(count) * size_of::<BufRingEntry>())
}

fn data_layout(count: u16, bytes: u32) -> Layout {
    layout(usize::from(count) * bytes as usize)
}

fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(bytes, PAGE_BYTES).expect("at most 32,768 buffers of 1 MiB")
}

fn allocate(layout: Layout) -> NonNull<u8> {
    // SAFETY: the layout's size is not 0, for there is at least one buffer of at least 64 bytes.
    NonNull::new(unsafe { alloc_zeroed(layout) }).unwrap_or_else(|| handle_alloc_error(layout))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_can_be_read_and_returned_only_while_it_is_ours() {
        let mut buffers = Buffers::new(3, 100);
        assert_eq!((buffers.count, buffers.tail), (4, 4));
        assert_eq!(buffers.bytes(1), b"");
        buffers.give_back(1);
        assert_eq!(buffers.tail, 4, "it is the kernel's already");
        buffers.take(1, 3);
        assert_eq!(buffers.bytes(1), [0, 0, 0]);
        buffers.give_back(1);
        assert_eq!((buffers.bytes(1).len(), buffers.tail), (0, 5));
        buffers.take(2, 1_000);
        assert_eq!(buffers.bytes(2).len(), 100, "never beyond its end");
        assert_eq!(buffers.bytes(9), b"");
    }
}
