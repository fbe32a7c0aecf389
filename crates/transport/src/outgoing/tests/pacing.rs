//! Packets that wait for their time.

use super::*;

/// What paths carry in these tests: 1,000 bytes take 8 ms.
const RATE: u64 = 1_000_000;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn padding(stream: OutgoingStreamId, sequence: u16) -> Rewrite {
    Rewrite { priority: Priority::Padding, ..rtx(stream, sequence, 1) }
}

#[test]
fn without_a_rate_and_far_below_it_packets_leave_at_once() {
    for rate in [None, Some(1_000_000_000)] {
        let mut bench = Bench::new();
        let stream = bench.add(77, Repair::None);
        let packet = bench.packet(1000);
        bench.queue.set_pacing_rate(rate);
        for sequence in 0..500 {
            bench.send(&packet, &video(stream, sequence));
        }
        assert_eq!((bench.slots.sent.len(), bench.queue.deadline()), (500, None), "{rate:?}");
    }
}

#[test]
fn a_burst_leaves_together_the_rest_at_its_time_and_audio_before_all() {
    let mut bench = Bench::new();
    let stream = bench.add(77, Repair::Rtx { ssrc: 78 });
    let packet = bench.packet(972);
    bench.queue.set_pacing_rate(Some(RATE));
    for sequence in 0..30 {
        bench.send(&packet, &video(stream, sequence));
    }
    let burst = bench.slots.sent.len();
    assert!((1..=2).contains(&burst), "{burst} packets in 5 ms of the line");
    assert!(!bench.queue.is_blocked(), "its socket has room");
    for sequence in 0..2 {
        bench.send(&packet, &padding(stream, 100 + sequence));
        bench.send(&packet, &rtx(stream, sequence, sequence));
    }
    bench.send(&packet, &audio(stream, 50));
    assert_eq!(bench.slots.sent.len(), burst + 1, "audio waits for nothing");
    let begun = bench.now;
    while let Some(deadline) = bench.queue.deadline() {
        assert!(deadline >= bench.now);
        bench.now = deadline;
        bench.flush();
    }
    let took = bench.now - begun;
    assert!((ms(220)..ms(300)).contains(&took), "34 kB took {took:?}");
    let order: Vec<_> = bench.receive_all().iter().map(|(_, meta)| (meta.ssrc, meta.sequence)).collect();
    let video_after = (burst as u16..30).map(|sequence| (77, sequence));
    let expected: Vec<_> = [(78, 0), (78, 1)].into_iter().chain(video_after).chain([(78, 100), (78, 101)]).collect();
    assert_eq!(order[burst + 1..], expected);
    assert_eq!(bench.counters.padding_packets_sent, 2);
    assert_eq!(bench.counters.outgoing_packets_paced, 34 - burst as u64);
}

#[test]
fn what_would_take_too_long_is_dropped_whole_counted_and_said() {
    let mut bench = Bench::new();
    let [first, second] = [77, 88].map(|ssrc| bench.add(ssrc, Repair::None));
    let packet = bench.packet(988);
    bench.queue.set_pacing_rate(Some(RATE));
    for sequence in 0..80 {
        bench.send(&packet, &video(first, sequence));
        bench.send(&packet, &video(second, sequence));
    }
    bench.send(&packet, &audio(second, 1000));
    let burst = bench.log.0.iter().filter(|sent| sent.priority == Priority::Video).count();
    let longest = if burst.is_multiple_of(2) { first } else { second };
    assert_eq!(bench.queue.poll_broken(), Some(longest), "the one that waits for longest");
    assert_eq!(bench.queue.poll_broken(), None);
    assert_eq!((bench.counters.outgoing_audio_dropped, bench.queue.is_blocked()), (0, false));
    let dropped = bench.counters.outgoing_video_dropped;
    assert!(dropped > 40, "{dropped} packets");
    while let Some(deadline) = bench.queue.deadline() {
        bench.now = bench.now.max(deadline);
        bench.flush();
    }
    assert_eq!(bench.slots.sent.len() as u64, 161 - dropped);
    drop(packet);
    assert_eq!(bench.pool.slots_held(), 0);
}

#[test]
fn a_full_socket_and_the_time_of_a_packet_are_told_apart() {
    let mut bench = Bench::new();
    let stream = bench.add(77, Repair::None);
    let packet = bench.packet(988);
    bench.queue.set_pacing_rate(Some(RATE));
    bench.slots.free = 0;
    bench.send(&packet, &video(stream, 1));
    assert!(bench.queue.is_blocked() && bench.queue.deadline().is_none(), "its socket will say when");
    bench.slots.free = 100;
    bench.flush();
    for sequence in 2..30 {
        bench.send(&packet, &video(stream, sequence));
    }
    assert!(!bench.queue.is_blocked() && bench.queue.deadline().is_some());
    bench.queue.remove_stream(stream);
    assert!(bench.queue.is_empty() && bench.queue.deadline().is_none());
}
