//! Comparisons, in functions that both databases have. `LIKE` is none of them: SQLite's ignores case, and
//! `%` and `_` in a filter are data.

use chrono::{DateTime, Utc};
use scim::CompareOperator;
use sea_orm::sea_query::{Expr, ExprTrait, Func};

use crate::model::Timestamp;

/// Text by its bytes, which is how both databases order it.
pub(super) fn compare(value: Expr, operator: CompareOperator, text: &str) -> Expr {
    let length = || i32::try_from(text.chars().count()).unwrap_or(i32::MAX);
    match operator {
        CompareOperator::Equal => value.eq(text),
        CompareOperator::NotEqual => value.ne(text),
        CompareOperator::Greater => value.gt(text),
        CompareOperator::GreaterOrEqual => value.gte(text),
        CompareOperator::Less => value.lt(text),
        CompareOperator::LessOrEqual => value.lte(text),
        // Everything contains nothing.
        _ if text.is_empty() => value.is_not_null(),
        CompareOperator::Contains => {
            let without = [value.clone(), Expr::val(text), Expr::val("")];
            call("replace", without).ne(value)
        }
        CompareOperator::StartsWith => {
            call("substr", [value, Expr::val(1_i32), Expr::val(length())]).eq(text)
        }
        CompareOperator::EndsWith => {
            let whole = call("length", [value.clone()]);
            let start = whole.clone().sub(length()).add(1_i32);
            whole
                .gte(length())
                .and(call("substr", [value, start]).eq(text))
        }
    }
}

/// Instants are stored to the millisecond; what lies between two of them equals none.
pub(super) fn compare_instant(value: Expr, operator: CompareOperator, at: DateTime<Utc>) -> Expr {
    use CompareOperator::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    let between = !at.timestamp_subsec_nanos().is_multiple_of(1_000_000);
    let at = Timestamp(at);
    match operator {
        Equal if between => never(),
        NotEqual if between => never().not(),
        Equal => value.eq(at),
        NotEqual => value.ne(at),
        // `at` is cut to the millisecond before it.
        GreaterOrEqual if between => value.gt(at),
        Less if between => value.lte(at),
        Greater => value.gt(at),
        GreaterOrEqual => value.gte(at),
        Less => value.lt(at),
        LessOrEqual => value.lte(at),
        // The parser refuses these for times.
        _ => never(),
    }
}

pub(super) fn never() -> Expr {
    always(false)
}

/// What holds for all rows, or for none.
pub(super) fn always(holds: bool) -> Expr {
    Expr::val(1_i32).eq(i32::from(holds))
}

fn call(function: &'static str, arguments: impl IntoIterator<Item = Expr>) -> Expr {
    Func::cust(function).args(arguments).into()
}
