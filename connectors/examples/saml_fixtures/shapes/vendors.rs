//! What each vendor sends.

mod hosted;
mod installed;

use super::Shape;

pub(super) fn all() -> Vec<Shape> {
    hosted::all().into_iter().chain(installed::all()).collect()
}
