//! An action's counters by their names in impstats.

use crate::host::statistics::Named;
use crate::modules::log_lines::connection_counters;
use crate::transport::send::Feed;

pub(super) fn named_counters(feed: &Feed) -> Vec<Named<'_>> {
    let counters = &feed.counters;
    let mut named = connection_counters(&counters.connections);
    named.extend(
        [
            ("bytes", &counters.bytes, false),
            ("accepted", &counters.accepted, false),
            ("sent", &counters.sent, false),
            ("copies", &counters.copies, false),
            ("queue_depth", &counters.queue_depth, true),
            ("queue_depth_max", &counters.queue_depth_max, true),
            ("queue_full_waits", &counters.queue_full_waits, false),
            ("dropped_queue_full", &counters.dropped_queue_full, false),
            ("dropped_slow_subscriber", &counters.dropped_slow_subscriber, false),
            ("dropped_no_subscriber", &counters.dropped_no_subscriber, false),
            ("dropped_at_close", &counters.dropped_at_close, false),
            ("send_failures", &counters.send_failures, false),
            ("subscriptions_active", &counters.subscriptions_active, true),
            ("suspended", &counters.suspended, false),
        ]
        .map(|(name, counter, is_gauge)| Named { name, counter: counter.as_atomic(), is_gauge }),
    );
    named
}
