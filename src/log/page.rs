//! Which numbers a page of history has.

use super::Reach;
use crate::event::Seq;
use crate::wire::PageStart;

/// The numbers `first..=last` of a room; none where `last` is below `first`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// The number with which it would begin if nothing had been removed.
    pub asked: Seq,
    /// Its first number. Of an empty page: the first that can be read, above `last`.
    pub first: Seq,
    /// Its last number.
    pub last: Seq,
    /// Whether there is more beyond it: below it, but above it where it was asked for by `after`.
    pub more: bool,
}

impl Page {
    /// The page that begins there, of at most `limit` messages. A number that is not reached yet is
    /// the end.
    pub fn of(reach: Reach, start: PageStart, limit: u64) -> Self {
        let Reach { first, head, .. } = reach;
        let below = |end: Seq| {
            let last = end.min(head + 1).max(first) - 1;
            let begin = first.max((last + 1).saturating_sub(limit));
            Self {
                asked: begin,
                first: begin,
                last,
                more: begin > first,
            }
        };
        match start {
            PageStart::Latest => below(head + 1),
            PageStart::Before(end) => below(end),
            PageStart::After(seq) => {
                let asked = seq.min(head) + 1;
                let begin = asked.max(first);
                let last = head.min((begin - 1).saturating_add(limit));
                Self {
                    asked,
                    first: begin,
                    last,
                    more: last < head,
                }
            }
        }
    }

    /// What retention has removed of what was asked for.
    pub fn gap(&self) -> Option<(Seq, Seq)> {
        (self.asked < self.first).then(|| (self.asked, self.first - 1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::event::SEQ_MAX;

    /// A room as the list of the numbers that it keeps, and what a page of it has to be.
    struct Model {
        kept: Vec<Seq>,
        head: Seq,
    }

    impl Model {
        fn page(&self, start: PageStart, limit: usize) -> (Vec<Seq>, bool) {
            let fits: Vec<Seq> = match start {
                PageStart::Latest => self.kept.clone(),
                PageStart::Before(end) => self.kept.iter().copied().filter(|n| *n < end).collect(),
                PageStart::After(seq) => self.kept.iter().copied().filter(|n| *n > seq).collect(),
            };
            let more = fits.len() > limit;
            let page = match start {
                PageStart::After(_) => fits.into_iter().take(limit).collect(),
                _ => fits[fits.len().saturating_sub(limit)..].to_vec(),
            };
            (page, more)
        }

        fn removed(&self, start: PageStart) -> Vec<Seq> {
            let PageStart::After(seq) = start else {
                return Vec::new();
            };
            let first = self.kept.first().copied().unwrap_or(self.head + 1);
            (1..first).filter(|n| *n > seq).collect()
        }
    }

    fn number() -> impl Strategy<Value = Seq> {
        prop_oneof![
            8 => 0..40_u64,
            1 => Just(SEQ_MAX),
            1 => Just(1 << 53),
            1 => Just(u64::MAX),
        ]
    }

    fn start() -> impl Strategy<Value = PageStart> {
        prop_oneof![
            Just(PageStart::Latest),
            number().prop_map(PageStart::Before),
            number().prop_map(PageStart::After),
        ]
    }

    proptest! {
        #[test]
        fn a_page_is_what_the_model_says(
            head in 0..30_u64,
            removed in 0..31_u64,
            start in start(),
            limit in prop_oneof![4 => 1..40_u64, 1 => Just(u64::MAX)],
        ) {
            let first = removed.min(head) + 1;
            let model = Model { kept: (first..=head).collect(), head };
            let page = Page::of(Reach { first, head, end: 0 }, start, limit);
            let (numbers, more) = model.page(start, usize::try_from(limit).unwrap_or(usize::MAX));
            prop_assert_eq!((page.first..=page.last).collect::<Vec<_>>(), numbers.clone());
            prop_assert_eq!(page.more, more);
            let gap = page.gap().map_or(Vec::new(), |(from, to)| (from..=to).collect());
            prop_assert_eq!(gap, model.removed(start));
            prop_assert!(numbers.len() as u64 <= limit);
            if numbers.is_empty() {
                prop_assert_eq!(page.last + 1, page.first, "an empty page is empty in one way only");
            }
        }
    }
}
