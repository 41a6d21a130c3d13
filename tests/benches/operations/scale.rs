//! How much is measured: bounded in number and in time.

use std::time::Duration;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    /// Longest time of one measurement; the warm-up before it may take as long.
    pub(crate) patience: Duration,
    /// Longest time of making many users or organizations.
    pub(crate) growth: Duration,
    pub(crate) starts: usize,
    pub(crate) logins: usize,
    /// Operations that write.
    pub(crate) writes: usize,
    /// Operations that read.
    pub(crate) reads: usize,
    /// Operations that are answered from memory.
    pub(crate) lookups: usize,
    pub(crate) deliveries: usize,
    /// Changes a second, while the time from change to delivery is measured.
    pub(crate) deliveries_per_second: u32,
    /// Users of a directory, before and after it has grown, beside those that are created meanwhile.
    pub(crate) users: [usize; 3],
    /// Members of a group.
    pub(crate) members: [usize; 2],
    pub(crate) organizations: [usize; 3],
}

impl Scale {
    pub(crate) const FULL: Self = Self {
        patience: Duration::from_secs(8),
        growth: Duration::from_secs(60),
        starts: 5,
        logins: 600,
        writes: 1_000,
        reads: 5_000,
        lookups: 20_000,
        deliveries: 1_500,
        deliveries_per_second: 500,
        users: [1_000, 10_000, 100_000],
        members: [10, 10_000],
        organizations: [10, 10_000, 100_000],
    };

    /// Enough to see that everything works, and the order of magnitude.
    pub(crate) const QUICK: Self = Self {
        patience: Duration::from_millis(1_500),
        growth: Duration::from_secs(5),
        starts: 1,
        logins: 40,
        writes: 80,
        reads: 160,
        lookups: 400,
        deliveries: 100,
        deliveries_per_second: 100,
        users: [200, 1_000, 4_000],
        members: [10, 200],
        organizations: [10, 200, 2_000],
    };

    /// Everything once or twice, without optimization.
    pub(crate) const SMOKE: Self = Self {
        patience: Duration::from_secs(20),
        growth: Duration::from_secs(20),
        starts: 1,
        logins: 4,
        writes: 4,
        reads: 10,
        lookups: 10,
        deliveries: 8,
        deliveries_per_second: 20,
        users: [100, 200, 300],
        members: [2, 4],
        organizations: [2, 4, 8],
    };
}
