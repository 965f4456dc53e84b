//! What must be compiled before what. Knows nothing of flags or segments.

use std::collections::BTreeMap;

/// The nodes with those that each needs first, and those that stand in a cycle or need one that does. A need that is no node is none of
/// the order's business.
pub(crate) fn topological<'a, K: Ord + ?Sized>(
    needs: &BTreeMap<&'a K, Vec<&'a K>>,
) -> (Vec<&'a K>, Vec<&'a K>) {
    let mut open: BTreeMap<&K, usize> = BTreeMap::new();
    let mut needed_by: BTreeMap<&K, Vec<&'a K>> = BTreeMap::new();
    for (key, list) in needs {
        let inner = list.iter().filter(|need| needs.contains_key(*need));
        open.insert(key, inner.clone().count());
        inner.for_each(|need| needed_by.entry(need).or_default().push(key));
    }
    let mut order: Vec<&'a K> = needs.keys().filter(|key| open[*key] == 0).copied().collect();
    let mut at = 0;
    while at < order.len() {
        for waiting in needed_by.get(order[at]).into_iter().flatten() {
            if let Some(left) = open.get_mut(waiting) {
                *left -= 1;
                if *left == 0 {
                    order.push(waiting);
                }
            }
        }
        at += 1;
    }
    let stuck = needs.keys().filter(|key| open[*key] > 0).copied().collect();
    (order, stuck)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_come_first_and_cycles_never() {
        let needs = BTreeMap::from([
            ("a", vec!["b", "c"]),
            ("b", vec!["c", "elsewhere"]),
            ("c", vec![]),
            ("x", vec!["y"]),
            ("y", vec!["x"]),
            ("z", vec!["x"]),
        ]);
        let (order, stuck) = topological(&needs);
        assert_eq!((order, stuck), (vec!["c", "b", "a"], vec!["x", "y", "z"]));
    }
}
