//! A peer's SRTP, both ways.

use std::collections::HashMap;

use millrace_packet::PacketPool;
use millrace_transport::SrtpProfile;
use millrace_transport::dtls::DtlsKeys;
use millrace_transport::srtp::{MasterKey, OutgoingIndex, SrtpInbound, SrtpKeys, SrtpOutbound};

/// The keys of both directions with the counts that go with them.
pub(crate) struct Srtp {
    inbound: SrtpInbound,
    outbound: SrtpOutbound,
    indexes: HashMap<u32, OutgoingIndex>,
    pool: PacketPool,
}

impl Srtp {
    /// Takes the keys of a handshake in which we were the client.
    pub(crate) fn from_handshake(keys: &DtlsKeys) -> Option<Self> {
        let keys = SrtpKeys::from_keying_material(keys.profile, &keys.keying_material).ok()?;
        Some(Self::new(&keys.server, &keys.client))
    }

    /// Takes the keys that null server and viewer `number` agree on without a handshake.
    pub(crate) fn agreed(number: usize) -> Option<Self> {
        let (key, salt) = agreed_key(number);
        let master = MasterKey::new(SrtpProfile::AeadAes128Gcm, &key, &salt).ok()?;
        Some(Self::new(&master, &master))
    }

    fn new(theirs: &MasterKey<'_>, ours: &MasterKey<'_>) -> Self {
        let (inbound, outbound) = (SrtpInbound::new(theirs), SrtpOutbound::new(ours));
        Self { inbound, outbound, indexes: HashMap::new(), pool: PacketPool::new(2) }
    }

    pub(crate) fn profile(&self) -> SrtpProfile {
        self.outbound.profile()
    }

    /// Seals an RTP packet into `slot` and tells its length; 0 when it cannot be.
    pub(crate) fn seal_rtp(&mut self, packet: &[u8], header_len: usize, slot: &mut [u8]) -> usize {
        self.try_seal_rtp(packet, header_len, slot).unwrap_or_default()
    }

    fn try_seal_rtp(&mut self, packet: &[u8], header_len: usize, slot: &mut [u8]) -> Option<usize> {
        let sequence = u16::from_be_bytes(*packet.get(2..)?.first_chunk()?);
        let ssrc = u32::from_be_bytes(*packet.get(8..)?.first_chunk()?);
        let (header, payload) = packet.split_at_checked(header_len)?;
        slot.get_mut(..header_len)?.copy_from_slice(header);
        let index = self.indexes.entry(ssrc).or_default().claim(sequence).ok()?;
        self.outbound.seal_rtp(index, slot, header_len, payload).ok()
    }

    /// Seals the compound packet in the first `len` bytes of `slot` and tells its new length; 0 when it cannot be.
    pub(crate) fn seal_rtcp(&mut self, slot: &mut [u8], len: usize) -> usize {
        self.outbound.seal_rtcp(slot, len).unwrap_or_default()
    }

    /// Opens an RTP packet and shows it to `read`; `None` when it is not authentic.
    pub(crate) fn open_rtp<T>(&mut self, datagram: &[u8], read: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let mut packet = self.pool.take()?;
        packet.fill(datagram).then_some(())?;
        self.inbound.open_rtp(&mut packet).ok()?;
        Some(read(packet.bytes()))
    }

    /// Opens an RTCP compound packet and shows it to `read`; `None` when it is not authentic.
    pub(crate) fn open_rtcp<T>(&mut self, datagram: &[u8], read: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let mut packet = self.pool.take()?;
        packet.fill(datagram).then_some(())?;
        self.inbound.open_rtcp(&mut packet).ok()?;
        Some(read(packet.bytes()))
    }
}

/// Master key and salt of a null server's viewer: different for each, so that no cache helps more than it would.
pub(crate) fn agreed_key(number: usize) -> ([u8; 16], [u8; 12]) {
    let mut key = [0x5a; 16];
    key[..8].copy_from_slice(&(number as u64).to_be_bytes());
    (key, [0xa5; 12])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agreed_keys_open_what_they_sealed_and_not_anothers() {
        let (mut one, mut same, mut other) =
            (Srtp::agreed(1).unwrap(), Srtp::agreed(1).unwrap(), Srtp::agreed(2).unwrap());
        let packet = [&[0x80, 96, 0, 7, 0, 0, 0, 1, 0, 0, 0, 9][..], &[3; 50]].concat();
        let mut slot = [0; 200];
        let len = one.seal_rtp(&packet, 12, &mut slot);
        assert_eq!(same.open_rtp(&slot[..len], <[u8]>::to_vec), Some(packet));
        assert_eq!(other.open_rtp(&slot[..len], |_| ()), None);
    }
}
