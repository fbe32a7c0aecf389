//! What `worker.getMetrics()` returns.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::counters::Counters;
use crate::id::TransportId;

/// Counters of a worker and of each of its transports, by the names in [`Counters::NAMES`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(rename = "WorkerMetrics")]
pub struct Metrics {
    /// Counters of the worker: what no transport is to blame for, and the sums of closed transports.
    #[ts(type = "Record<string, number>")]
    pub worker: BTreeMap<String, u64>,
    /// Counters of the open transports.
    pub transports: Vec<TransportMetrics>,
}

/// Counters of one transport.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
pub struct TransportMetrics {
    /// The transport.
    pub transport_id: TransportId,
    /// Its counters by name.
    #[ts(type = "Record<string, number>")]
    pub counters: BTreeMap<String, u64>,
}

impl Metrics {
    /// Names the counters of a worker and its transports.
    pub fn new<'a>(worker: &Counters, transports: impl IntoIterator<Item = (TransportId, &'a Counters)>) -> Self {
        let transports = transports
            .into_iter()
            .map(|(transport_id, counters)| TransportMetrics { transport_id, counters: named(counters) })
            .collect();
        Self { worker: named(worker), transports }
    }
}

/// Every counter under its name.
fn named(counters: &Counters) -> BTreeMap<String, u64> {
    Counters::NAMES.iter().zip(counters.values()).map(|((name, _), value)| ((*name).to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_appears_under_its_name() {
        let counters = Counters { datagrams_sent: 7, ..Counters::default() };
        let id = "67e55044-10b1-426f-9247-bb680e5fe0c8".parse().unwrap();
        let metrics = Metrics::new(&Counters::default(), [(id, &counters)]);
        assert_eq!(metrics.worker.len(), Counters::NAMES.len());
        assert_eq!(metrics.transports[0].counters["datagrams_sent"], 7);
        assert_eq!(metrics.transports[0].transport_id, id);
    }
}
