use std::net::SocketAddr;

use millrace_model::Counters;

use super::*;
use crate::ice::IceLite;

#[test]
fn a_client_and_a_lite_server_complete_in_two_round_trips() {
    let mut world = World::new();
    world.add_pair(1, 100);
    world.exchange();
    assert_eq!((world.client.state(), world.server.state()), (IceState::Completed, IceState::Completed));
    assert_eq!(world.client.selected_tuple(), Some(&tuple(1)));
    assert_eq!(
        world.events(),
        [IceEvent::SelectedTuple(tuple(1)), IceEvent::State(IceState::Connected), IceEvent::State(IceState::Completed)]
    );
}

#[test]
fn the_best_of_the_pairs_that_work_is_nominated() {
    let mut world = World::new();
    world.deaf = vec![1];
    for (port, priority) in [(1, 300), (2, 200), (3, 100)] {
        world.add_pair(port, priority);
    }
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.client.selected_tuple(), Some(&tuple(2)));
    assert_eq!(world.server.selected_tuple(), Some(&tuple(2)));
}

#[test]
fn a_better_pair_that_may_still_answer_is_waited_for_but_not_long() {
    let mut world = World::new();
    world.deaf = vec![1];
    world.add_pair(1, 200);
    world.add_pair(2, 100);
    world.run_for(PACING + NOMINATION_WAIT - Duration::from_millis(1));
    assert_eq!((world.client.state(), world.client.selected_tuple()), (IceState::Connected, Some(&tuple(2))));
    world.run_for(Duration::from_millis(1));
    assert_eq!((world.client.state(), world.client.selected_tuple()), (IceState::Completed, Some(&tuple(2))));
}

#[test]
fn first_checks_are_paced() {
    let mut world = World::new();
    world.deaf = (1..=5).collect();
    (1..=5).for_each(|port| world.add_pair(port, 100 - u32::from(port)));
    world.client.handle_timeout(world.now);
    assert_eq!(world.sent_now(), [1]);
    world.now += PACING;
    world.client.handle_timeout(world.now);
    assert_eq!(world.sent_now(), [2]);
}

#[test]
fn a_lost_check_is_repeated_with_doubling_waits_and_then_given_up() {
    let mut world = World::new();
    world.deaf = vec![1];
    world.add_pair(1, 100);
    let start = world.now;
    let mut sent_ms = Vec::new();
    while let Some(due) = world.client.deadline() {
        world.now = due.max(world.now);
        world.client.handle_timeout(world.now);
        let sent = world.sent_now().len();
        sent_ms.extend(vec![(world.now - start).as_millis(); sent]);
    }
    assert_eq!(sent_ms, [0, 500, 1_500, 3_500, 7_500, 15_500, 31_500]);
    assert_eq!((world.now - start, world.client.state()), (Duration::from_millis(39_500), IceState::Disconnected));
}

#[test]
fn checks_over_tcp_are_not_repeated() {
    let mut world = World::new();
    let tuple = Tuple { protocol: Protocol::Tcp, ..tuple(1) };
    world.client.add_pair(CandidatePair { tuple, local_priority: 1, remote_priority: 1 }, world.now).unwrap();
    world.client.handle_timeout(world.now);
    assert_eq!(world.sent_now(), [1]);
    world.now += Duration::from_secs(10);
    world.client.handle_timeout(world.now);
    assert!(world.sent_now().is_empty());
}

#[test]
fn completes_at_20_percent_loss() {
    for seed in 1..=50 {
        let mut world = World::new();
        world.loss_percent = 20;
        world.random = seed << 32 | seed;
        world.add_pair(1, 100);
        world.run_for(Duration::from_secs(40));
        assert_eq!(world.client.state(), IceState::Completed, "seed {seed}");
    }
}

#[test]
fn consent_checks_keep_the_server_and_the_client_going() {
    let mut world = World::new();
    world.add_pair(1, 100);
    world.run_for(Duration::from_secs(300));
    assert_eq!((world.client.state(), world.server.state()), (IceState::Completed, IceState::Completed));
    let checks = world.counters.stun_checks_answered;
    assert!((50..=80).contains(&checks), "{checks} checks in 300 s");
}

#[test]
fn i08_sending_stops_30_s_after_the_last_answer() {
    let mut world = World::new();
    world.add_pair(1, 100);
    world.exchange();
    world.deaf = vec![1];
    world.run_for(Duration::from_millis(29_900));
    assert_eq!(world.client.state(), IceState::Completed);
    world.run_for(Duration::from_millis(200));
    assert_eq!((world.client.state(), world.client.selected_tuple()), (IceState::Disconnected, None));
    assert_eq!(world.client.deadline(), None);
}

#[test]
fn a_restart_with_new_credentials_completes_again_without_a_gap() {
    let mut world = World::new();
    world.add_pair(1, 100);
    world.exchange();
    world.events();
    world.server.restart(&credentials("fresh"), world.now);
    world.client.restart(&credentials("client2"), &credentials("fresh"), world.now);
    assert_eq!(world.client.selected_tuple(), Some(&tuple(1)));
    world.run_for(Duration::from_secs(60));
    assert_eq!((world.client.state(), world.server.state()), (IceState::Completed, IceState::Completed));
    assert_eq!(world.events(), []);
}

#[test]
fn i05_forged_unknown_and_misplaced_answers_change_nothing() {
    let mut world = World::new();
    world.add_pair(1, 100);
    world.client.handle_timeout(world.now);
    let check = world.client.poll_transmit().unwrap();
    let id = Message::parse(&check.bytes).unwrap().transaction_id;
    world.client.handle_datagram(&tuple(1), &answer(id, "guess"), world.now);
    world.client.handle_datagram(&tuple(1), &answer([0xee; 12], PASSWORD), world.now);
    world.client.handle_datagram(&tuple(2), &answer(id, PASSWORD), world.now);
    assert_eq!((world.client.state(), world.events().len()), (IceState::New, 0));
    world.client.handle_datagram(&tuple(1), &answer(id, PASSWORD), world.now);
    assert_eq!(world.client.state(), IceState::Connected);
}

#[test]
fn i05_a_consent_answer_from_elsewhere_keeps_nothing_alive() {
    let mut world = World::new();
    world.add_pair(1, 100);
    world.exchange();
    world.deaf = vec![1];
    for _ in 0..4 {
        world.now = world.client.deadline().unwrap();
        world.client.handle_timeout(world.now);
        let check = world.client.poll_transmit().unwrap();
        let id = Message::parse(&check.bytes).unwrap().transaction_id;
        world.client.handle_datagram(&tuple(2), &answer(id, PASSWORD), world.now);
        world.client.handle_datagram(&tuple(1), &answer(id, "guess"), world.now);
    }
    world.run_for(Duration::from_secs(15));
    assert_eq!(world.client.state(), IceState::Disconnected);
}

#[test]
fn i10_a_full_peers_checks_are_answered_and_its_claim_to_our_role_refused() {
    let mut world = World::new();
    let check = || Writer::new(Class::Request, [2; 12]).username("client:server").priority(1);
    let key = IntegrityKey::new(PASSWORD);
    let mut answer_to = |writer: Writer| {
        world.client.handle_datagram(&tuple(1), &writer.finish(&key), world.now);
        world.client.poll_transmit().map(|transmit| Message::parse(&transmit.bytes).unwrap().error_code)
    };
    assert_eq!(answer_to(check().ice_controlled(1)), Some(None));
    assert_eq!(answer_to(check().ice_controlling(1)), Some(Some(487)));
    assert_eq!(answer_to(Writer::new(Class::Request, [2; 12]).username("other:server").priority(1)), None);
}

#[test]
fn a_pair_beyond_the_limit_is_refused() {
    let mut world = World::new();
    (0..PAIRS_MAX as u16).for_each(|port| world.add_pair(port, 1));
    let pair = CandidatePair { tuple: tuple(999), local_priority: 1, remote_priority: 1 };
    assert_eq!(world.client.add_pair(pair, world.now), Err(PairsFull));
}

#[test]
fn pair_priorities_follow_rfc_8445() {
    assert_eq!(pair_priority(2, 1), (1 << 32) + 4 + 1);
    assert_eq!(pair_priority(1, 2), (1 << 32) + 4);
}

#[test]
fn a_closed_connection_ends_what_ran_over_it() {
    let mut world = World::new();
    world.add_pair(1, 100);
    world.exchange();
    world.client.remove_socket(tuple(1).socket);
    assert_eq!((world.client.state(), world.client.selected_tuple()), (IceState::Disconnected, None));
}

const PASSWORD: &str = "a password of twenty-two";

/// A client and a lite server on a link without delay that can be deaf on some ports and lose datagrams.
struct World {
    client: IceControlling,
    server: IceLite,
    now: Instant,
    counters: Counters,
    deaf: Vec<u16>,
    loss_percent: u64,
    random: u64,
}

impl World {
    fn new() -> Self {
        let config = ControllingConfig { local: credentials("client"), remote: credentials("server"), tie_breaker: 1 };
        let mut count = 0_u8;
        let random = Box::new(move |bytes: &mut [u8]| {
            count = count.wrapping_add(1);
            bytes.fill(count);
        });
        Self {
            client: IceControlling::new(&config, random),
            server: IceLite::new(&credentials("server"), Some(Duration::from_secs(30))),
            now: Instant::now(),
            counters: Counters::default(),
            deaf: Vec::new(),
            loss_percent: 0,
            random: 1,
        }
    }

    fn add_pair(&mut self, port: u16, local_priority: u32) {
        let pair = CandidatePair { tuple: tuple(port), local_priority, remote_priority: 1 };
        self.client.add_pair(pair, self.now).unwrap();
    }

    /// Lets time pass from one deadline to the next.
    fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        self.exchange();
        while let Some(due) = [self.client.deadline(), self.server.deadline()].into_iter().flatten().min() {
            if due > end {
                break;
            }
            assert!(due > self.now, "what was due is done, so that nobody wakes in vain");
            self.now = due;
            self.exchange();
        }
        self.now = end;
    }

    fn exchange(&mut self) {
        self.client.handle_timeout(self.now);
        self.server.handle_timeout(self.now, &mut self.counters);
        while let Some(transmit) = self.client.poll_transmit() {
            if self.deaf.contains(&transmit.tuple.remote.port()) || self.lost() {
                continue;
            }
            let answer = self.server.handle_datagram(&transmit.tuple, &transmit.bytes, self.now, &mut self.counters);
            let Some(answer) = answer else { continue };
            if !self.lost() {
                self.client.handle_datagram(&answer.tuple, &answer.bytes, self.now);
            }
        }
    }

    /// Ports that the client just sent to.
    fn sent_now(&mut self) -> Vec<u16> {
        std::iter::from_fn(|| self.client.poll_transmit()).map(|transmit| transmit.tuple.remote.port()).collect()
    }

    fn events(&mut self) -> Vec<IceEvent> {
        std::iter::from_fn(|| self.client.poll_event()).collect()
    }

    fn lost(&mut self) -> bool {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % 100 < self.loss_percent
    }
}

fn answer(id: TransactionId, password: &str) -> Vec<u8> {
    let writer = Writer::new(Class::Success, id).xor_mapped_address(tuple(1).remote);
    writer.finish(&IntegrityKey::new(password))
}

fn credentials(ufrag: &str) -> IceCredentials {
    IceCredentials { ufrag: ufrag.into(), password: PASSWORD.into() }
}

fn tuple(port: u16) -> Tuple {
    let remote = SocketAddr::new("192.0.2.1".parse().unwrap(), port);
    Tuple { socket: SocketId(u32::from(port)), protocol: Protocol::Udp, remote, local_ip: None }
}
