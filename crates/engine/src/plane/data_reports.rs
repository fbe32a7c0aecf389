//! What applications may look at of data: dumps and statistics.

use std::time::Instant;

use millrace_model::{
    BaseTransportDump, DataConsumerDump, DataConsumerStat, DataProducerDump, DataProducerStat, NameEntriesDump,
    NameEntryDump, SctpListenerDump, StreamEntryDump,
};

use super::Plane;
use super::data::{DataConsumerAt, DataConsumerEntry, DataProducerAt, carried_by};
use super::data_traffic::negotiated;
use super::routers::RouterEntry;
use super::transports::TransportEntry;

impl Plane {
    pub(super) fn data_producer_dump(&self, (router, index): DataProducerAt) -> Option<DataProducerDump> {
        let entry = &self.routers[router];
        let producer = entry.data_producer(index)?;
        Some(DataProducerDump {
            id: producer.id,
            paused: entry.data.is_producer_paused(index),
            data_producer_type: carried_by(producer.sctp_stream_parameters.as_ref()),
            sctp_stream_parameters: producer.sctp_stream_parameters.clone(),
            label: producer.label.clone(),
            protocol: producer.protocol.clone(),
        })
    }

    pub(super) fn data_consumer_dump(
        &mut self,
        (router, index): DataConsumerAt,
        now: Instant,
    ) -> Option<DataConsumerDump> {
        let (buffered_amount, threshold) = self.waiting_data((router, index), now);
        let entry = &self.routers[router];
        let consumer = entry.data_consumer(index)?;
        let (_, producer) = self.data_producer_ids.get(&consumer.producer)?;
        Some(DataConsumerDump {
            id: consumer.id,
            paused: entry.data.is_consumer_paused(index),
            data_producer_paused: entry.data.is_producer_paused(*producer),
            subchannels: entry.data.subchannels(index).into_iter().collect(),
            data_producer_id: consumer.producer,
            data_consumer_type: carried_by(consumer.sctp_stream_parameters.as_ref()),
            sctp_stream_parameters: consumer.sctp_stream_parameters.clone(),
            label: consumer.label.clone(),
            protocol: consumer.protocol.clone(),
            buffered_amount,
            buffered_amount_low_threshold: threshold,
        })
    }

    pub(super) fn data_producer_stats(&self, (router, index): DataProducerAt, now: Instant) -> Vec<DataProducerStat> {
        let entry = &self.routers[router];
        let received = entry.data.received(index);
        let stat = entry.data_producer(index).map(|producer| DataProducerStat {
            stats_type: "data-producer".to_owned(),
            timestamp: self.timestamp_ms(now),
            label: producer.label.clone(),
            protocol: producer.protocol.clone(),
            messages_received: received.messages,
            bytes_received: received.bytes,
        });
        stat.into_iter().collect()
    }

    pub(super) fn data_consumer_stats(&mut self, at: DataConsumerAt, now: Instant) -> Vec<DataConsumerStat> {
        let (buffered_amount, _) = self.waiting_data(at, now);
        let entry = &self.routers[at.0];
        let sent = entry.data.sent(at.1);
        let stat = entry.data_consumer(at.1).map(|consumer| DataConsumerStat {
            stats_type: "data-consumer".to_owned(),
            timestamp: self.timestamp_ms(now),
            label: consumer.label.clone(),
            protocol: consumer.protocol.clone(),
            messages_sent: sent.messages,
            bytes_sent: sent.bytes,
            buffered_amount,
        });
        stat.into_iter().collect()
    }

    /// Bytes that wait for a data consumer's peer, and the threshold of `bufferedamountlow`.
    pub(super) fn waiting_data(&mut self, (router, index): DataConsumerAt, now: Instant) -> (u32, u32) {
        let Some(consumer) = self.routers[router].data_consumer(index) else { return (0, 0) };
        let Some(stream) = consumer.sctp_stream_parameters.as_ref().map(|it| it.stream_id) else { return (0, 0) };
        let core = &mut self.transports[consumer.transport].core;
        let amounts =
            core.with_sctp(now, |sctp, _| (sctp.buffered_amount(stream), sctp.buffered_amount_low_threshold(stream)));
        amounts.map(|(waiting, threshold)| (waiting as u32, threshold as u32)).unwrap_or_default()
    }
}

/// The part of a router's dump about data: receivers by source, source by receiver.
pub(super) fn data_maps(entry: &RouterEntry) -> (Vec<NameEntriesDump>, Vec<NameEntryDump>) {
    let consumers = || entry.data_consumers.iter().flatten();
    let name = |consumer: &DataConsumerEntry| consumer.id.to_string();
    let by_source = entry.data_producers.iter().flatten().map(|producer| NameEntriesDump {
        key: producer.id.to_string(),
        values: consumers().filter(|consumer| consumer.producer == producer.id).map(name).collect(),
    });
    let sources =
        consumers().map(|consumer| NameEntryDump { key: name(consumer), value: consumer.producer.to_string() });
    (by_source.collect(), sources.collect())
}

/// Writes the part of a transport's dump about data.
pub(super) fn add_data(dump: &mut BaseTransportDump, index: usize, entry: &TransportEntry, router: &RouterEntry) {
    let producers = || router.data_producers.iter().flatten().filter(|producer| producer.transport == index);
    let consumers = router.data_consumers.iter().flatten().filter(|consumer| consumer.transport == index);
    dump.data_producer_ids = producers().map(|producer| producer.id).collect();
    dump.data_consumer_ids = consumers.map(|consumer| consumer.id).collect();
    dump.max_send_message_size = entry.data.max_send_message_size;
    dump.max_receive_message_size = entry.data.max_receive_message_size;
    let Some(sctp) = entry.core.sctp() else { return };
    let stream = |producer: &super::data::DataProducerEntry| {
        let key = producer.sctp_stream_parameters.as_ref()?.stream_id;
        Some(StreamEntryDump { key, value: producer.id.to_string() })
    };
    dump.sctp_parameters = Some(entry.data.parameters(sctp.settings().data_channels));
    dump.sctp_state = Some(sctp.state());
    dump.sctp_negotiated_capabilities = negotiated(sctp);
    dump.sctp_listener = Some(SctpListenerDump { stream_id_table: producers().filter_map(stream).collect() });
}
