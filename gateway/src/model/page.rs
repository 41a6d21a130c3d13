//! Lists: newest first, by keyset on the id, which sorts by age.

/// Which part of a list is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window<Id> {
    /// At most this many rows.
    pub limit: u64,
    /// Only rows older than this one.
    pub before: Option<Id>,
}

/// The rows of one window, and where the next one starts; `None` at the end of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice<T, Id> {
    pub rows: Vec<T>,
    pub next: Option<Id>,
}

impl<T, Id> Slice<T, Id> {
    /// Cuts rows that were read with one more than asked for: the surplus row only says that there are more.
    pub(crate) fn cut(mut rows: Vec<T>, limit: u64, id: impl Fn(&T) -> Id) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(id);
        Self { rows, next }
    }

    pub fn map<U>(self, view: impl FnMut(T) -> U) -> Slice<U, Id> {
        Slice {
            rows: self.rows.into_iter().map(view).collect(),
            next: self.next,
        }
    }
}
