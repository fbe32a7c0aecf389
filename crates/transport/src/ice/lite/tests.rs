use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::*;
use crate::stun::{IntegrityKey, Writer};
use crate::tuple::Protocol;

#[test]
fn a_check_without_nomination_connects_and_one_with_it_completes() {
    let mut world = World::new();
    let answer = world.check(1, |check| check).unwrap();
    assert_eq!(world.ice.state(), IceState::Connected);
    assert_eq!(
        world.events(),
        [IceEvent::TupleAdded(tuple(1)), IceEvent::SelectedTuple(tuple(1)), IceEvent::State(IceState::Connected)]
    );
    let success = Message::parse(&answer.bytes).unwrap();
    assert_eq!((success.class, success.xor_mapped_address), (Class::Success, Some(tuple(1).remote)));
    assert!(success.verify(&IntegrityKey::new(PASSWORD)) && success.has_fingerprint);
    world.check(1, Writer::use_candidate);
    assert_eq!(world.events(), [IceEvent::State(IceState::Completed)]);
}

#[test]
fn a_peer_behind_a_dual_stack_socket_is_told_its_ipv4_address() {
    let mut world = World::new();
    let mapped = Ipv4Addr::new(192, 0, 2, 7).to_ipv6_mapped();
    let tuple = Tuple { remote: SocketAddr::new(IpAddr::V6(mapped), 9), ..tuple(1) };
    let answer = world.receive(&tuple, &signed(request(), PASSWORD)).unwrap();
    let address = Message::parse(&answer.bytes).unwrap().xor_mapped_address;
    assert_eq!(address, Some("192.0.2.7:9".parse().unwrap()));
}

#[test]
fn a_later_nomination_moves_the_selected_tuple() {
    let mut world = World::new();
    world.check(1, Writer::use_candidate);
    world.check(2, |check| check);
    assert_eq!(world.ice.selected_tuple(), Some(&tuple(1)));
    world.check(2, Writer::use_candidate);
    assert_eq!(world.ice.selected_tuple(), Some(&tuple(2)));
}

#[test]
fn a_higher_nomination_value_wins_and_a_lower_one_is_late() {
    let mut world = World::new();
    world.check(1, |check| check.nomination(5));
    assert_eq!(world.ice.state(), IceState::Completed);
    world.check(2, |check| check.nomination(6));
    world.check(1, |check| check.nomination(5));
    assert_eq!(world.ice.selected_tuple(), Some(&tuple(2)));
}

#[test]
fn a_check_to_another_of_our_addresses_is_answered_from_there_and_moves_media_only_if_nominated() {
    let mut world = World::new();
    let other = Tuple { local_ip: Some("10.0.0.2".parse().unwrap()), ..tuple(1) };
    world.check(1, Writer::use_candidate);
    world.events();
    assert_eq!(world.receive(&other, &signed(request(), PASSWORD)).unwrap().tuple, other);
    assert_eq!(world.ice.selected_tuple(), Some(&tuple(1)));
    assert_eq!(world.events(), []);
    world.receive(&other, &signed(request().use_candidate(), PASSWORD));
    assert_eq!(world.events(), [IceEvent::SelectedTuple(other)], "the demultiplexer's key is the same");
}

#[test]
fn a_yielded_tuple_stays_selected_and_comes_back_with_the_next_check_over_it() {
    let mut world = World::new();
    world.check(1, Writer::use_candidate);
    world.events();
    world.ice.yield_tuple(&tuple(1));
    assert_eq!(world.events(), []);
    assert_eq!(world.ice.selected_tuple(), Some(&tuple(1)));
    world.check(1, |check| check);
    assert_eq!(world.events(), [IceEvent::TupleAdded(tuple(1))]);
}

#[test]
fn i01_a_flood_of_unknown_ufrags_gets_no_answer_and_leaves_nothing() {
    let mut world = World::new();
    world.check(1, Writer::use_candidate);
    world.events();
    for port in 0..10_000 {
        let stranger = Writer::new(Class::Request, [port as u8; 12]).username(&format!("x{port}:y")).priority(1);
        assert_eq!(world.receive(&tuple(port), &signed(stranger, PASSWORD)), None);
    }
    assert_eq!(world.counters.stun_dropped_unknown_ufrag, 10_000);
    assert_eq!((world.ice.tuples.len(), world.events().len()), (1, 0));
    assert_eq!(world.ice.state(), IceState::Completed);
}

#[test]
fn i02_a_check_for_another_ufrag_is_dropped_without_an_answer() {
    let mut world = World::new();
    for username in ["other:peer", "serv:peer", "serverx:peer", "server", ":", ""] {
        let check = Writer::new(Class::Request, [0; 12]).username(username).priority(1);
        assert_eq!(world.receive(&tuple(1), &signed(check, PASSWORD)), None, "user name {username:?}");
    }
    assert_eq!((world.counters.stun_dropped_unknown_ufrag, world.ice.state()), (6, IceState::New));
}

#[test]
fn i03_wrong_integrity_a_thousand_times_keeps_the_session() {
    let mut world = World::new();
    world.check(1, Writer::use_candidate);
    world.events();
    let deadline = world.ice.deadline();
    for _ in 0..1_000 {
        world.now += Duration::from_millis(1);
        assert_eq!(world.receive(&tuple(2), &signed(request().use_candidate(), "guess")), None);
        assert_eq!(world.receive(&tuple(2), &request().use_candidate().finish_unsigned()), None);
    }
    assert_eq!(world.counters.stun_dropped_wrong_integrity, 2_000);
    assert_eq!((world.ice.state(), world.ice.selected_tuple()), (IceState::Completed, Some(&tuple(1))));
    assert_eq!((world.ice.deadline(), world.events().len()), (deadline, 0), "a forger must not keep consent alive");
    assert!(!world.ice.is_validated(&tuple(2)));
}

#[test]
fn i04_malformed_requests_are_dropped_and_counted() {
    let mut world = World::new();
    let valid = signed(request(), PASSWORD);
    for len in 0..valid.len() {
        assert_eq!(world.receive(&tuple(1), &valid[..len]), None, "length {len}");
    }
    let without_fingerprint = {
        let mut bytes = valid[..valid.len() - 8].to_vec();
        bytes[3] -= 8;
        bytes
    };
    assert_eq!(world.receive(&tuple(1), &without_fingerprint), None);
    assert_eq!(world.counters.stun_dropped_malformed, valid.len() as u64 + 1);
    assert_eq!(world.ice.state(), IceState::New);
}

#[test]
fn i04_an_unknown_mandatory_attribute_is_refused_with_420_after_authentication() {
    let mut world = World::new();
    let unknown = with_attribute(0x7abc);
    let answer = world.receive(&tuple(1), &unknown(PASSWORD)).unwrap();
    let refusal = Message::parse(&answer.bytes).unwrap();
    assert_eq!((refusal.class, refusal.error_code), (Class::Error, Some(420)));
    assert!(answer.bytes.windows(2).any(|pair| pair == [0x7a, 0xbc]));
    assert_eq!(world.receive(&tuple(1), &unknown("guess")), None);
    assert_eq!((world.counters.stun_requests_refused, world.ice.state()), (1, IceState::New));
    assert!(!world.ice.is_validated(&tuple(1)));
}

#[test]
fn i05_indications_and_responses_are_dropped() {
    let mut world = World::new();
    for class in [Class::Indication, Class::Success, Class::Error] {
        let message = Writer::new(class, [3; 12]).username("server:peer").priority(1).use_candidate();
        assert_eq!(world.receive(&tuple(1), &signed(message, PASSWORD)), None);
    }
    assert_eq!((world.counters.stun_dropped_unexpected, world.ice.state()), (3, IceState::New));
}

#[test]
fn i06_valid_checks_from_a_new_address_move_media_only_when_they_nominate() {
    let mut world = World::new();
    world.check(1, Writer::use_candidate);
    for _ in 0..10 {
        world.check(2, |check| check);
    }
    assert_eq!(world.ice.selected_tuple(), Some(&tuple(1)));
    world.check(2, Writer::use_candidate);
    assert_eq!(world.ice.selected_tuple(), Some(&tuple(2)));
}

#[test]
fn i06_tuples_are_capped_and_the_selected_one_is_never_the_one_that_goes() {
    let mut world = World::new();
    world.check(0, Writer::use_candidate);
    for port in 1..100 {
        world.check(port, |check| check);
    }
    assert_eq!((world.ice.tuples.len(), world.counters.ice_tuples_evicted), (TUPLES_MAX, 92));
    assert!(world.ice.is_validated(&tuple(0)) && world.ice.is_validated(&tuple(99)));
    assert!(!world.ice.is_validated(&tuple(92)) && world.ice.is_validated(&tuple(93)));
    let events = world.events();
    let count = |wanted: fn(&IceEvent) -> bool| events.iter().filter(|event| wanted(event)).count();
    let added = count(|event| matches!(event, IceEvent::TupleAdded(_)));
    let removed = count(|event| matches!(event, IceEvent::TupleRemoved(_)));
    assert_eq!((added, removed), (100, 92));
}

#[test]
fn i10_a_peer_that_claims_our_role_gets_487_and_we_keep_it() {
    let mut world = World::new();
    let conflicting = || request_without_role().ice_controlled(u64::MAX).use_candidate();
    let answer = world.receive(&tuple(1), &signed(conflicting(), PASSWORD)).unwrap();
    assert_eq!(Message::parse(&answer.bytes).unwrap().error_code, Some(487));
    assert_eq!(world.receive(&tuple(1), &signed(conflicting(), "guess")), None);
    assert_eq!((world.ice.state(), world.counters.stun_requests_refused), (IceState::New, 1));
}

#[test]
fn i12_no_unauthenticated_request_is_answered_and_no_answer_is_longer_than_its_request() {
    let mut world = World::new();
    let unauthenticated = [
        Writer::new(Class::Request, [0; 12]).finish_unsigned(),
        request().finish_unsigned(),
        signed(request(), "guess"),
        with_attribute(0x7abc)("guess"),
    ];
    for bytes in &unauthenticated {
        assert_eq!(world.receive(&tuple(1), bytes), None);
    }
    let ipv6 = Tuple { remote: "[2001:db8::1]:9".parse().unwrap(), ..tuple(1) };
    let authenticated =
        [signed(request(), PASSWORD), signed(username_only(), PASSWORD), with_attribute(0x7abc)(PASSWORD)];
    for bytes in &authenticated {
        let answer = world.receive(&ipv6, bytes).unwrap();
        assert!(answer.bytes.len() <= bytes.len(), "{} out for {} in", answer.bytes.len(), bytes.len());
    }
}

#[test]
fn i12_an_answer_that_would_be_longer_than_its_request_is_not_sent() {
    let credentials = IceCredentials { ufrag: "a".into(), password: PASSWORD.into() };
    let mut world = World { ice: IceLite::new(&credentials, None), ..World::new() };
    let ipv6 = Tuple { remote: "[2001:db8::1]:9".parse().unwrap(), ..tuple(1) };
    let short = Writer::new(Class::Request, [0; 12]).username("a:b").priority(1);
    assert_eq!(world.receive(&ipv6, &signed(short, PASSWORD)), None);
    assert_eq!((world.counters.stun_dropped_amplifying, world.ice.state()), (1, IceState::New));
}

#[test]
fn a_check_without_priority_is_refused_with_400() {
    let mut world = World::new();
    let answer = world.receive(&tuple(1), &signed(username_only(), PASSWORD)).unwrap();
    assert_eq!(Message::parse(&answer.bytes).unwrap().error_code, Some(400));
}

#[test]
fn i08_consent_expires_when_checks_stop_and_a_new_check_revives() {
    let mut world = World::new();
    world.check(1, Writer::use_candidate);
    world.check(2, |check| check);
    world.events();
    world.pass(Duration::from_millis(29_999));
    assert_eq!(world.ice.state(), IceState::Completed);
    world.pass(Duration::from_millis(1));
    assert_eq!(
        world.events(),
        [IceEvent::TupleRemoved(tuple(1)), IceEvent::TupleRemoved(tuple(2)), IceEvent::State(IceState::Disconnected)]
    );
    assert_eq!((world.ice.selected_tuple(), world.ice.deadline()), (None, None));
    assert!(!world.ice.is_validated(&tuple(1)));
    world.check(1, |check| check);
    assert_eq!(world.ice.state(), IceState::Connected);
}

#[test]
fn checks_on_any_tuple_keep_consent() {
    let mut world = World::new();
    world.check(1, Writer::use_candidate);
    for _ in 0..10 {
        world.pass(Duration::from_secs(20));
        world.check(2, |check| check);
    }
    assert_eq!(world.ice.state(), IceState::Completed);
}

#[test]
fn without_a_consent_timeout_an_idle_agent_needs_no_timer() {
    let mut world = World { ice: IceLite::new(&credentials("server"), None), ..World::new() };
    world.check(1, Writer::use_candidate);
    assert_eq!(world.ice.deadline(), None);
}

#[test]
fn i09_after_a_restart_old_credentials_live_until_the_new_ones_are_used() {
    let mut world = World::new();
    world.check(1, Writer::use_candidate);
    world.ice.restart(&credentials("again"), world.now);
    world.events();
    for _ in 0..2 {
        let answer = world.check(1, |check| check).expect("the old credentials are still valid");
        assert!(Message::parse(&answer.bytes).unwrap().verify(&IntegrityKey::new(PASSWORD)));
    }
    let renewed = Writer::new(Class::Request, [0; 12]).username("again:peer").priority(1).ice_controlling(1);
    assert!(world.receive(&tuple(2), &signed(renewed.use_candidate(), PASSWORD)).is_some());
    assert_eq!(world.ice.selected_tuple(), Some(&tuple(2)));
    assert!(world.events().contains(&IceEvent::UfragRetired("server".into())));
    assert_eq!(world.check(1, Writer::use_candidate), None, "a replay of the old credentials");
    assert_eq!(world.ice.selected_tuple(), Some(&tuple(2)));
}

#[test]
fn i09_old_credentials_end_with_the_grace_even_if_nobody_uses_the_new_ones() {
    let mut world = World { ice: IceLite::new(&credentials("server"), None), ..World::new() };
    world.check(1, Writer::use_candidate);
    world.ice.restart(&credentials("again"), world.now);
    world.events();
    world.now += RESTART_GRACE;
    assert_eq!(world.check(1, |check| check), None, "before the timer ran");
    world.pass(Duration::ZERO);
    assert_eq!(world.events(), [IceEvent::UfragRetired("server".into())]);
    assert_eq!((world.ice.state(), world.ice.deadline()), (IceState::Completed, None));
}

#[test]
fn a_second_restart_retires_the_credentials_of_the_first_start_at_once() {
    let mut world = World::new();
    world.ice.restart(&credentials("second"), world.now);
    assert_eq!(world.events(), []);
    world.ice.restart(&credentials("third"), world.now);
    assert_eq!(world.events(), [IceEvent::UfragRetired("server".into())]);
}

#[test]
fn a_restart_gives_the_peer_the_whole_consent_time_again() {
    let mut world = World::new();
    world.check(1, Writer::use_candidate);
    world.pass(Duration::from_secs(29));
    world.ice.restart(&credentials("again"), world.now);
    world.pass(Duration::from_secs(29));
    assert_eq!(world.ice.state(), IceState::Completed);
    world.pass(Duration::from_secs(1));
    assert_eq!(world.ice.state(), IceState::Disconnected);
}

#[test]
fn a_restart_lets_nominations_count_from_the_start() {
    let mut world = World::new();
    world.check(1, |check| check.nomination(9));
    world.ice.restart(&credentials("again"), world.now);
    let renewed = Writer::new(Class::Request, [0; 12]).username("again:peer").priority(1).ice_controlling(1);
    world.receive(&tuple(2), &signed(renewed.nomination(1), PASSWORD));
    assert_eq!(world.ice.selected_tuple(), Some(&tuple(2)));
}

#[test]
fn a_closed_connection_takes_its_tuples_along_and_the_newest_other_one_takes_over() {
    let mut world = World::new();
    let tcp = |port| Tuple { socket: SocketId(u32::from(port) + 100), protocol: Protocol::Tcp, ..tuple(port) };
    let check = |candidate: bool| {
        let writer = if candidate { request().use_candidate() } else { request() };
        signed(writer, PASSWORD)
    };
    world.receive(&tuple(1), &check(false));
    world.receive(&tcp(2), &check(true));
    world.events();
    world.ice.remove_socket(tcp(2).socket, world.now);
    assert_eq!(world.events(), [IceEvent::TupleRemoved(tcp(2)), IceEvent::SelectedTuple(tuple(1))]);
    world.ice.remove_socket(tuple(1).socket, world.now);
    assert_eq!(world.events(), [IceEvent::TupleRemoved(tuple(1)), IceEvent::State(IceState::Disconnected)]);
    assert_eq!(world.ice.deadline(), None);
}

#[test]
fn a_closed_agent_answers_nothing_and_holds_nothing() {
    let mut world = World::new();
    world.check(1, Writer::use_candidate);
    world.events();
    world.ice.close();
    assert_eq!(world.events(), [IceEvent::TupleRemoved(tuple(1)), IceEvent::State(IceState::Closed)]);
    assert_eq!(world.check(1, Writer::use_candidate), None);
    assert_eq!((world.events().len(), world.ice.deadline()), (0, None));
}

const PASSWORD: &str = "a password of twenty-two";

/// An agent with consent of 30 s, a clock and counters.
struct World {
    ice: IceLite,
    now: Instant,
    counters: Counters,
}

impl World {
    fn new() -> Self {
        let ice = IceLite::new(&credentials("server"), Some(Duration::from_secs(30)));
        Self { ice, now: Instant::now(), counters: Counters::default() }
    }

    /// Sends a check with valid credentials from `port`, made by `change` of a plain one.
    fn check(&mut self, port: u16, change: fn(Writer) -> Writer) -> Option<Transmit> {
        self.receive(&tuple(port), &signed(change(request()), PASSWORD))
    }

    fn receive(&mut self, tuple: &Tuple, bytes: &[u8]) -> Option<Transmit> {
        self.ice.handle_datagram(tuple, bytes, self.now, &mut self.counters)
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.ice.handle_timeout(self.now, &mut self.counters);
    }

    fn events(&mut self) -> Vec<IceEvent> {
        std::iter::from_fn(|| self.ice.poll_event()).collect()
    }
}

fn credentials(ufrag: &str) -> IceCredentials {
    IceCredentials { ufrag: ufrag.into(), password: PASSWORD.into() }
}

fn tuple(port: u16) -> Tuple {
    let remote = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), port);
    Tuple { socket: SocketId(1), protocol: Protocol::Udp, remote, local_ip: None }
}

fn request() -> Writer {
    request_without_role().ice_controlling(1)
}

fn request_without_role() -> Writer {
    username_only().priority(1)
}

fn username_only() -> Writer {
    Writer::new(Class::Request, [5; 12]).username("server:peer")
}

fn signed(writer: Writer, password: &str) -> Vec<u8> {
    writer.finish(&IntegrityKey::new(password))
}

/// A check that holds an empty attribute of type `kind` before its signature.
fn with_attribute(kind: u16) -> impl Fn(&str) -> Vec<u8> {
    move |password| signed(request().empty_attribute(kind), password)
}
