//! clock

pub trait Clock: Send + Sync {
    fn now(&self) -> chrono::DateTime<chrono::Utc>;
}

pub trait Entropy: Send + Sync {
    fn fill(&self, bytes: &mut [u8]);
}
