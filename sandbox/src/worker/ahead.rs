//! Asking ahead: a component that takes batch after batch of one result has its next one asked for before it asks.

use super::ear::Heard;
use crate::value::Batch;

/// A question of the kind that is asked ahead: the result, and the most rows.
pub(super) type Question = (u32, u32);

/// What was asked ahead, and what came.
#[derive(Default)]
pub(super) struct Ahead {
    /// The last question of the component; it has to ask the same twice before anything is asked ahead.
    last: Option<Question>,
    /// Asked and not yet heard.
    asked: Option<Question>,
    /// Heard and not yet given: an answer comes before that of any later call.
    heard: Option<(Question, Heard)>,
}

/// Where the answer to a question is.
pub(super) enum Found {
    /// It is the next that is heard.
    Next,
    /// It was heard before.
    Here(Heard),
    /// Nowhere: it has to be asked for.
    Nowhere,
}

impl Ahead {
    /// Whether an answer is on its way that is none to `question`: it has to be heard first.
    pub(super) fn is_before(&self, question: Option<Question>) -> bool {
        self.asked.is_some() && self.asked != question
    }

    /// Whether rows of a result are here, or on their way, that the component has not had.
    pub(super) fn holds(&self, result: u32) -> bool {
        self.asked.is_some_and(|question| question.0 == result)
            || self.heard.as_ref().is_some_and(|(question, _)| question.0 == result)
    }

    /// Keeps an answer that came before the component asked.
    pub(super) fn keep(&mut self, heard: Heard) {
        self.heard = self.asked.take().map(|question| (question, heard));
    }

    /// The component asks for a batch.
    pub(super) fn find(&mut self, question: Question) -> Found {
        if self.asked == Some(question) {
            self.asked = None;
            return Found::Next;
        }
        match self.heard.take() {
            Some((other, heard)) if other.0 == question.0 => Found::Here(heard),
            other => {
                self.heard = other;
                Found::Nowhere
            }
        }
    }

    /// The question to ask now, after `question` was answered with rows.
    pub(super) fn next(&mut self, question: Question) -> Option<Question> {
        let steady = self.last.replace(question) == Some(question);
        (steady && self.asked.is_none() && self.heard.is_none()).then(|| *self.asked.insert(question))
    }

    /// Keeps the rows of a batch that are more than were asked for.
    pub(super) fn keep_rest(&mut self, question: Question, rest: Batch) {
        self.heard = Some((question, Heard::Batch(rest)));
    }

    /// The component drops a result, with what was heard of it.
    pub(super) fn forget(&mut self, result: u32) {
        drop(self.heard.take_if(|(question, _)| question.0 == result));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::Answer;

    #[test]
    fn only_a_steady_reader_is_read_ahead_for() {
        let mut ahead = Ahead::default();
        assert!(matches!(ahead.find((1, 10)), Found::Nowhere));
        assert_eq!(ahead.next((1, 10)), None);
        assert!(matches!(ahead.find((1, 10)), Found::Nowhere));
        assert_eq!(ahead.next((1, 10)), Some((1, 10)));
        assert!(ahead.is_before(None) && ahead.is_before(Some((1, 5))) && !ahead.is_before(Some((1, 10))));
        assert!(ahead.holds(1) && !ahead.holds(2));
        assert!(matches!(ahead.find((1, 10)), Found::Next));
        assert_eq!(ahead.next((1, 10)), Some((1, 10)));
        // Another call comes between: the answer is kept for the result that it is of.
        ahead.keep(Heard::Answer(Answer::Done));
        assert!(!ahead.is_before(None) && ahead.holds(1));
        assert!(matches!(ahead.find((2, 10)), Found::Nowhere));
        assert!(matches!(ahead.find((1, 5)), Found::Here(_)));
        ahead.keep_rest((1, 5), Batch { rows: 0, columns: Vec::new() });
        ahead.forget(2);
        assert_eq!(ahead.next((1, 5)), None);
        ahead.forget(1);
        assert!(matches!(ahead.find((1, 5)), Found::Nowhere));
    }
}
