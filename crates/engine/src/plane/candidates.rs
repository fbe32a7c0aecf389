//! ICE candidates: how the addresses that a transport listens on are told to its peer (RFC 8445 §5.1, RFC 6544 §4.5).

use millrace_model::{IceCandidate, IceCandidateTcpType, IceCandidateType, TransportProtocol};

use super::listen::Listener;

/// Type preference of host candidates (RFC 8445 §5.1.2.2).
const TYPE_PREFERENCE_HOST: u32 = 126;

/// Local preference of the first address without a preferred protocol.
const LOCAL_PREFERENCE_DEFAULT: u32 = 10_000;

/// What a preferred protocol adds.
const LOCAL_PREFERENCE_BONUS: u32 = 20_000;

/// What each further address is behind the one before it.
const LOCAL_PREFERENCE_STEP: u32 = 100;

/// The only component: RTCP is multiplexed (RFC 5761).
const COMPONENT: u32 = 1;

/// Which protocols come first.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Preference {
    pub(super) udp: bool,
    pub(super) tcp: bool,
}

/// The candidates of `listeners`, in their order; the priorities say which is preferred.
pub(super) fn of<'a>(listeners: impl Iterator<Item = &'a Listener>, preference: Preference) -> Vec<IceCandidate> {
    listeners.enumerate().flat_map(|(index, listener)| of_listener(index as u32, listener, preference)).collect()
}

fn of_listener(index: u32, listener: &Listener, preference: Preference) -> Vec<IceCandidate> {
    let preferred = match listener.protocol {
        TransportProtocol::Udp => preference.udp,
        TransportProtocol::Tcp => preference.tcp,
    };
    let bonus = if preferred { LOCAL_PREFERENCE_BONUS } else { 0 };
    let local_preference = (LOCAL_PREFERENCE_DEFAULT + bonus).saturating_sub(index * LOCAL_PREFERENCE_STEP);
    let internal = listener.local.ip().to_string();
    let addresses = match &listener.announced {
        None => vec![internal],
        Some(announced) if listener.expose_internal_ip => vec![announced.clone(), internal],
        Some(announced) => vec![announced.clone()],
    };
    let described = addresses.into_iter().enumerate();
    described
        .map(|(rank, address)| candidate(listener, address, local_preference.saturating_sub(rank as u32)))
        .collect()
}

fn candidate(listener: &Listener, address: String, local_preference: u32) -> IceCandidate {
    let is_tcp = listener.protocol == TransportProtocol::Tcp;
    IceCandidate {
        foundation: if is_tcp { "tcpcandidate" } else { "udpcandidate" }.to_owned(),
        priority: (TYPE_PREFERENCE_HOST << 24) | (local_preference << 8) | (256 - COMPONENT),
        ip: address.clone(),
        address,
        protocol: listener.protocol,
        port: listener.local.port(),
        candidate_type: IceCandidateType::Host,
        tcp_type: is_tcp.then_some(IceCandidateTcpType::Passive),
    }
}

#[cfg(test)]
mod tests {
    use millrace_transport::SocketId;

    use super::*;

    fn listener(protocol: TransportProtocol, announced: Option<&str>) -> Listener {
        Listener {
            socket: SocketId(0),
            protocol,
            local: "127.0.0.1:4000".parse().unwrap(),
            announced: announced.map(str::to_owned),
            expose_internal_ip: true,
        }
    }

    #[test]
    fn earlier_addresses_are_preferred_and_a_preferred_protocol_before_all() {
        let listeners = [listener(TransportProtocol::Udp, None), listener(TransportProtocol::Tcp, None)];
        let priorities = |preference| {
            let candidates = of(listeners.iter(), preference);
            assert_eq!(candidates[0].protocol, TransportProtocol::Udp, "the order is that of the addresses");
            (candidates[0].priority, candidates[1].priority)
        };
        let (udp, tcp) = priorities(Preference::default());
        assert!(udp > tcp);
        let (udp, tcp) = priorities(Preference { udp: false, tcp: true });
        assert!(tcp > udp);
    }

    #[test]
    fn an_announced_address_comes_before_the_exposed_internal_one() {
        let listeners = [listener(TransportProtocol::Udp, Some("sfu.example.com"))];
        let candidates = of(listeners.iter(), Preference::default());
        let addresses: Vec<_> = candidates.iter().map(|candidate| candidate.address.as_str()).collect();
        assert_eq!(addresses, ["sfu.example.com", "127.0.0.1"]);
        assert!(candidates[0].priority > candidates[1].priority);
    }
}
