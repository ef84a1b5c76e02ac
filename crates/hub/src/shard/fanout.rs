//! The slices in which a shard delivers: what runs next, and to whom it writes until the budget is used up.
//!
//! What a run is stands in `delivery`; here it meets the connections.

    /// Begins to deliver what stands first in the queue.
    fn begin(&mut self) -> bool {
        let Some(first) = self.queue.front() else { return false };
        let large = match &first.to {
            To::Stream(entry) if first.except.is_none() => entry.list_on(self.index).filter(|&list| {
                self.lists.get(list).followers.len() >= PASS_MIN
                    && self.queue.iter().all(|delivery| is_for(delivery, entry))
            }),
            _ => None,
        };
        if let Some(list) = large {
            self.run = Some(Run::Pass(Pass::new(list, self.lists.get(list).head, 0)));
        } else {
            let mut gather = std::mem::take(&mut self.spare);
            let (by_id, connections) = (&self.by_id, &self.connections);
            gather.fill(&mut self.queue, &self.lists, self.index, |id| find(by_id, connections, id));
            self.run = Some(Run::Gather(gather));
        }
        true
    }

    /// One slice of a pass. Returns what is left of the budget.
    fn pass(&mut self, mut pass: Pass, budget: usize, now: Now) -> usize {
        let (metrics, limits) = (self.hub.metrics(), self.hub.limits());
        let list = self.lists.get_mut(pass.list);
        let entry = Arc::clone(&list.entry);
        while pass.has_room() && self.queue.front().is_some_and(|delivery| is_for(delivery, &entry)) {
            if let Some(delivery) = self.queue.pop_front() {
                list.head = list.head.wrapping_add(1);
                pass.take(delivery.encoded, list.followers.len(), metrics);
            }
        }
        let mut unsettled: SmallVec<[(Key, Sent); 8]> = SmallVec::new();
        let mut left = budget;
        let mut visits = 0;
        while left > 0 && pass.is_on() {
            while let Some(done) = pass.pop_due() {
                finish(&self.hub, self.index, &done);
            }
            if !pass.is_on() {
                break;
            }
            if pass.cursor >= list.followers.len() {
                pass.cursor = 0;
            }
            let Some(follower) = list.followers.get_mut(pass.cursor) else {
                while let Some(done) = pass.pop() {
                    finish(&self.hub, self.index, &done);
                }
                break;
            };
            pass.advance();
            visits += 1;
            if visits % VISITS_PER_WRITE == 0 {
                left -= 1;
            }
            if follower.seen == list.head {
                continue;
            }
            let seen = std::mem::replace(&mut follower.seen, list.head);
            let Some(connection) = self.connections.get_mut(follower.key as usize).filter(|c| c.is_open()) else {
                continue;
            };
            let (bytes, frames) = pass.rest(seen, connection.wire, metrics);
            self.counts.deliveries += frames.len() as u64;
            left = left.saturating_sub(1);
            match connection.send(bytes, frames, limits, &mut self.counts) {
                Sent::Written | Sent::Queued => {}
                sent => unsettled.push((follower.key, sent)),
            }
        }
        let is_on = pass.is_on();
        let list = pass.list;
        if is_on {
            self.run = Some(Run::Pass(pass));
        }
        for (key, sent) in unsettled {
            self.settle(key, sent, now);
        }
        if !is_on {
            self.lists.remove_if_empty(self.index, list);
        }
        left
    }

    /// One slice of a gather. Returns what is left of the budget.
    fn gather(&mut self, mut gather: Gather, budget: usize, now: Now) -> usize {
        let mut left = budget;
        while left > 0 {
            let Some((key, range)) = gather.next_group() else { break };
            left -= 1;
            let Some(connection) = self.connections.get_mut(key as usize).filter(|c| c.is_open()) else { continue };
            let metrics = self.hub.metrics();
            let wire = connection.wire;
            let frame = |&(_, item): &(Key, u32)| gather.items[item as usize].encoded.frame(wire, metrics);
            let entries = &gather.entries[range];
            self.counts.deliveries += entries.len() as u64;
            let sent = if let [entry] = entries {
                connection.send_one(frame(entry), self.hub.limits(), &mut self.counts)
            } else {
                self.scratch.clear();
                for entry in entries {
                    self.scratch.extend_from_slice(frame(entry));
                }
                connection.send(&self.scratch, entries.iter().map(frame), self.hub.limits(), &mut self.counts)
            };
            self.settle(key, sent, now);
        }
        if gather.cursor < gather.entries.len() {
            self.run = Some(Run::Gather(gather));
            return left;
        }
        for delivery in gather.items.drain(..) {
            finish(&self.hub, self.index, &delivery.encoded);
        }
        gather.entries.clear();
        gather.cursor = 0;
        self.spare = gather;
        left
    }

