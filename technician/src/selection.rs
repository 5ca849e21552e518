//! Selecting one of many by what a person types: a whole id, else a name, else the beginning of an id. Pure.

use crate::home::same_label;

/// Fewest digits of an id that stand for it.
const MIN_PREFIX: usize = 4;

/// What the one was picked by, the surest first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum MatchedBy {
    Id,
    Name,
    Prefix,
}

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum SelectionResult<'a, T> {
    One(&'a T, MatchedBy),
    None,
    Several(Vec<&'a T>),
}

pub(crate) fn select<'a, T>(
    asked: &str,
    from: &'a [T],
    id: impl Fn(&T) -> String,
    name: impl Fn(&T) -> &str,
) -> SelectionResult<'a, T> {
    let hex = asked.trim().to_lowercase();
    for by in [MatchedBy::Id, MatchedBy::Name, MatchedBy::Prefix] {
        let fits = |one: &&T| match by {
            MatchedBy::Id => id(one) == hex,
            MatchedBy::Name => same_label(name(one), asked),
            MatchedBy::Prefix => hex.len() >= MIN_PREFIX && id(one).starts_with(&hex),
        };
        let mut found: Vec<&T> = from.iter().filter(fits).collect();
        match (found.pop(), found.is_empty()) {
            (None, _) => {}
            (Some(one), true) => return SelectionResult::One(one, by),
            (Some(last), false) => {
                found.push(last);
                return SelectionResult::Several(found);
            }
        }
    }
    SelectionResult::None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_surest_way_wins_and_doubt_is_told() {
        let from = [("abcd1234", "Till"), ("abcd9999", "abcd1234"), ("ffff0000", "till")];
        let select = |asked| super::select(asked, &from, |t| t.0.to_owned(), |t| t.1);
        assert_eq!(select("ABCD1234"), SelectionResult::One(&from[0], MatchedBy::Id));
        assert_eq!(select("abcd12"), SelectionResult::One(&from[0], MatchedBy::Prefix));
        assert_eq!(select("abcd"), SelectionResult::Several(vec![&from[0], &from[1]]));
        assert_eq!(select("Till"), SelectionResult::Several(vec![&from[0], &from[2]]));
        assert_eq!(select("fff"), SelectionResult::None);
        assert_eq!(select(""), SelectionResult::None);
    }
}
