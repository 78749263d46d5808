//! The demonstration: the Fibonacci numbers by naive double recursion, nothing remembered.

/// The largest `n` that is answered.
pub const MAX_N: u32 = 45;

/// Up to here a number costs less than a hand-over to another thread is worth (about 0.1 ms).
pub const INLINE_MAX_N: u32 = 24;

/// The n-th Fibonacci number; fib(0) = 0, fib(1) = 1. Cost: about 1.6 to the power of n calls.
#[must_use]
pub fn fib(n: u32) -> u64 {
    if n < 2 { u64::from(n) } else { fib(n - 1) + fib(n - 2) }
}

#[cfg(test)]
mod tests {
    use super::fib;

    #[test]
    fn the_first_numbers_and_a_later_one_are_right() {
        let first: Vec<u64> = (0..11).map(fib).collect();
        assert_eq!(first, [0, 1, 1, 2, 3, 5, 8, 13, 21, 34, 55]);
        assert_eq!(fib(25), 75_025);
    }
}
