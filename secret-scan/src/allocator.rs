//! The allocator.

#![allow(unsafe_code, reason = "the trait of a global allocator is unsafe")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::sync::PoisonError;

use crate::needle::occurs;
use crate::{FOUND, Found, NEEDLES};

/// The system's allocator, which looks into each block that it takes back, and
/// counts the blocks that it hands out.
///
/// Every block is zeroed when it is handed out: what is found in it was
/// written by whoever had it, and not by an owner before.
pub struct Scanner;

thread_local! {
    /// Whether what this thread gives back is not looked at. Has no destructor,
    /// so that it can be asked for as long as the thread runs.
    static APART: Cell<bool> = const { Cell::new(false) };
    /// How many blocks were handed out to this thread.
    static HANDED_OUT: Cell<u64> = const { Cell::new(0) };
}

/// What `act` returns, and how many blocks of memory it asked for. Those of other
/// threads do not count; a block that grows or shrinks counts again each time.
pub fn allocations<R>(act: impl FnOnce() -> R) -> (R, u64) {
    let before = HANDED_OUT.get();
    let result = act();
    (result, HANDED_OUT.get() - before)
}

/// Runs `act`, and does not look at what this thread gives back meanwhile: the
/// other side of a test, which may hold secrets in its own way.
pub fn apart<R>(act: impl FnOnce() -> R) -> R {
    struct Back(bool);
    impl Drop for Back {
        fn drop(&mut self) {
            APART.set(self.0);
        }
    }
    let _back = Back(APART.replace(true));
    act()
}

// SAFETY: every call is handed on to the system's allocator, with the layout
// that it came with; `realloc` is the trait's own, which allocates, copies and
// gives the old block back, so that every old block is looked into.
unsafe impl GlobalAlloc for Scanner {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let _ = HANDED_OUT.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promises are those of this call.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is the caller's to give back, so nobody writes to
        // it, and all of it was written when it was handed out.
        look_into(unsafe { std::slice::from_raw_parts(block, layout.size()) });
        // SAFETY: the caller's promises are those of this call.
        unsafe { System.dealloc(block, layout) }
    }
}

fn look_into(block: &[u8]) {
    if APART.try_with(Cell::get).unwrap_or(true) {
        return;
    }
    apart(|| {
        let needles = NEEDLES.read().unwrap_or_else(PoisonError::into_inner);
        for needle in needles.iter() {
            if occurs(needle.bytes(), block) {
                let found = Found {
                    name: needle.name,
                    form: needle.form,
                    size: block.len(),
                    backtrace: Backtrace::force_capture().to_string(),
                };
                let mut all = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
                all.push(found);
            }
        }
    });
}
