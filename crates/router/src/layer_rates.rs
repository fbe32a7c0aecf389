//! Bitrates of the layers within a stream, for statistics.

use std::collections::BTreeMap;

use crate::rate::ByteRate;

/// Layers of a kind that are told apart: as many as three bits name (RFC 7741 §4.2, RFC 9628 §4.2). Packets of higher ones
/// are not counted here.
const LAYERS_MAX: u8 = 8;

/// A rate for each temporal layer of each spatial layer, from the first packet of a second layer on. A stream of one layer
/// has none, which is its bitrate.
#[derive(Clone, Debug, Default)]
pub(crate) struct LayerRates {
    /// By spatial layer, then by temporal layer; grows with what is seen.
    rates: Vec<Vec<ByteRate>>,
}

impl LayerRates {
    /// Counts a packet.
    #[inline]
    pub(crate) fn add(&mut self, spatial: u8, temporal: u8, bytes: usize, now_ms: u64) {
        let is_layered = !self.rates.is_empty() || spatial > 0 || temporal > 0;
        if is_layered {
            self.add_to_layer(spatial, temporal, bytes, now_ms);
        }
    }

    fn add_to_layer(&mut self, spatial: u8, temporal: u8, bytes: usize, now_ms: u64) {
        if spatial.max(temporal) >= LAYERS_MAX {
            return;
        }
        let [spatial, temporal] = [spatial, temporal].map(usize::from);
        if self.rates.len() <= spatial {
            self.rates.resize_with(spatial + 1, Vec::new);
        }
        let rates = &mut self.rates[spatial];
        if rates.len() <= temporal {
            rates.resize_with(temporal + 1, ByteRate::default);
        }
        rates[temporal].add(bytes, now_ms);
    }

    /// What each layer alone takes, in bit/s, by `spatial.temporal`: as mediasoup 3.27.1 (`RtpStreamRecv`) tells it.
    pub(crate) fn bits_per_second(&mut self, now_ms: u64) -> BTreeMap<String, u64> {
        let temporal_layers = self.rates.iter().map(Vec::len).max().unwrap_or_default();
        let mut by_layer = BTreeMap::new();
        for (spatial, rates) in self.rates.iter_mut().enumerate() {
            for temporal in 0..temporal_layers {
                let rate = rates.get_mut(temporal).map_or(0, |rate| rate.bits_per_second(now_ms));
                by_layer.insert(format!("{spatial}.{temporal}"), rate);
            }
        }
        by_layer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_layer_has_a_rate_of_its_own_and_one_layer_has_none() {
        let mut rates = LayerRates::default();
        (0..250).for_each(|tick| rates.add(0, 0, 1000, tick * 10));
        assert_eq!(rates.bits_per_second(2_499), BTreeMap::new());
        for tick in 250..500 {
            rates.add(0, 0, 1000, tick * 10);
            rates.add(0, 2, 500, tick * 10);
            rates.add(1, 1, 250, tick * 10);
            rates.add(8, 0, 9000, tick * 10);
        }
        let by_layer = rates.bits_per_second(4_999);
        let rate = |layer: &str| by_layer[layer];
        assert_eq!(by_layer.keys().collect::<Vec<_>>(), ["0.0", "0.1", "0.2", "1.0", "1.1", "1.2"]);
        assert!((760_000..=800_000).contains(&rate("0.0")), "{by_layer:?}");
        assert!((380_000..=400_000).contains(&rate("0.2")), "{by_layer:?}");
        assert!((190_000..=200_000).contains(&rate("1.1")), "{by_layer:?}");
        assert_eq!([rate("0.1"), rate("1.0"), rate("1.2")], [0; 3]);
        assert_eq!(rates.bits_per_second(10_000)["0.0"], 0);
    }
}
