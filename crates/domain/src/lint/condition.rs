//! Bounds of a condition: depth, number, finite numbers.

use crate::{
    entity::Condition,
    limits::{CONDITION_DEPTH_MAX, CONDITIONS_MAX},
};

/// Checks the bounds.
pub fn condition(condition: &Condition) -> Result<(), String> {
    let mut count = 0;
    walk(condition, 1, &mut count)
}

fn walk(condition: &Condition, depth: usize, count: &mut usize) -> Result<(), String> {
    *count += 1;
    if depth > CONDITION_DEPTH_MAX {
        return Err(format!("condition is nested deeper than {CONDITION_DEPTH_MAX}: flatten it"));
    }
    if *count > CONDITIONS_MAX {
        return Err(format!("condition has more than {CONDITIONS_MAX} parts: use \"in\" for lists"));
    }
    let finite = |number: &f64| {
        if number.is_finite() {
            Ok(())
        } else {
            Err("condition compares with a number that is not finite".to_owned())
        }
    };
    match condition {
        Condition::And(parts) | Condition::Or(parts) => {
            parts.iter().try_for_each(|part| walk(part, depth + 1, count))
        }
        Condition::Not(part) => walk(part, depth + 1, count),
        Condition::Less { than, .. } | Condition::Greater { than, .. } => finite(than),
        Condition::Between { low, high, .. } => finite(low).and_then(|()| finite(high)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_bounded() {
        let nested = |depth| (1..depth).fold(Condition::Always, |inner, _| Condition::Not(Box::new(inner)));
        assert!(condition(&nested(CONDITION_DEPTH_MAX)).is_ok());
        assert!(condition(&nested(CONDITION_DEPTH_MAX + 1)).is_err());
    }
}
