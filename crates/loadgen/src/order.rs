//! Whether events come in the order in which they were published: a publisher posts its next message only when the last is answered,
//! so at every connection its messages come in the order of their numbers. Between publishers no order is promised.

/// A message of which it is not known who posted it.
const NOBODY: u16 = u16::MAX;

/// What each connection had last of each publisher.
#[derive(Debug, Default)]
pub(crate) struct Order {
    publishers: usize,
    /// By message: who posted it.
    posted_by: Vec<u16>,
    /// By connection and publisher: one more than the number of the last message, 0 before the first.
    next: Vec<u32>,
    faults: u64,
}

impl Order {
    /// An account of these connections and publishers.
    pub(crate) fn new(connections: usize, publishers: usize) -> Self {
        Self { publishers, posted_by: Vec::new(), next: vec![0; connections * publishers], faults: 0 }
    }

    /// A publisher is about to post a message.
    pub(crate) fn post(&mut self, seq: u32, publisher: usize) {
        self.posted_by.resize(seq as usize + 1, NOBODY);
        self.posted_by[seq as usize] = u16::try_from(publisher).unwrap_or(NOBODY);
    }

    /// A message has come to a connection.
    #[inline]
    pub(crate) fn follow(&mut self, connection: usize, seq: u32) {
        let Some(&publisher) = self.posted_by.get(seq as usize) else { return };
        let at = connection * self.publishers + usize::from(publisher);
        if usize::from(publisher) < self.publishers
            && let Some(next) = self.next.get_mut(at)
        {
            self.faults += u64::from(seq < *next);
            *next = seq + 1;
        }
    }

    /// Messages that came after a later one of the same publisher.
    pub(crate) fn faults(&self) -> u64 {
        self.faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_behind_a_later_one_of_its_publisher_is_a_fault_and_behind_another_publishers_it_is_none() {
        let mut order = Order::new(2, 2);
        for (seq, publisher) in [(0, 0), (1, 1), (2, 0)] {
            order.post(seq, publisher);
        }
        for seq in [1, 0, 2] {
            order.follow(0, seq);
        }
        assert_eq!(order.faults(), 0);
        for seq in [2, 1, 0] {
            order.follow(1, seq);
        }
        assert_eq!(order.faults(), 1);
    }

    #[test]
    fn a_message_that_comes_twice_is_out_of_order_and_one_that_nobody_posted_is_not_judged() {
        let mut order = Order::new(1, 1);
        order.post(3, 0);
        for seq in [3, 3, 1, 9] {
            order.follow(0, seq);
        }
        assert_eq!(order.faults(), 1);
    }
}
