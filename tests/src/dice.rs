//! Chance that can be repeated.

use gateway::clock::{Clock as _, SystemClock};

/// SplitMix64.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// Another history each time; `TEST_SEED` repeats the one whose seed a failed test printed.
    pub fn thrown() -> Self {
        let given = std::env::var("TEST_SEED").ok();
        let seed: u64 = match given {
            Some(seed) => seed.parse().expect("TEST_SEED is a number"),
            None => SystemClock.now().timestamp_micros().unsigned_abs(),
        };
        println!("TEST_SEED={seed}");
        Self(seed)
    }

    /// Dice of their own, for one of several clients.
    pub fn another(&mut self) -> Self {
        Self(self.next())
    }

    /// From 0 to `end`, which is left out.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// Whether the one case in `of` came.
    pub fn one_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
