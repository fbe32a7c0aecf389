use millrace_packet::rtcp::RtcpPacket;

use crate::call::{Call, Rtp, TRANSPORT_CC_ID, ms};

fn numbered(packet: Rtp, number: u16) -> Rtp {
    packet.with_extension(TRANSPORT_CC_ID, &number.to_be_bytes())
}

fn told(call: &Call) -> Vec<(u16, i64)> {
    let mut arrivals = Vec::new();
    call.each_rtcp(call.publisher, |packet| {
        if let RtcpPacket::TransportFeedback(feedback) = packet {
            arrivals.extend(feedback.arrivals().map(|arrival| (arrival.sequence, arrival.ticks)));
        }
    });
    arrivals
}

#[test]
fn a_publisher_learns_when_each_packet_arrived() {
    let (mut call, _) = Call::with_video();
    let mut expected = Vec::new();
    for sequence in (0..500u16).filter(|sequence| sequence % 9 != 4) {
        call.publish(&numbered(Rtp::delta(sequence), sequence.wrapping_add(65_400)));
        let ticks = call.now.duration_since(call.start).as_micros() as i64 / 250;
        expected.push((sequence.wrapping_add(65_400), ticks));
        call.run_for(ms(3));
    }
    call.run_for(ms(100));
    let told = told(&call);
    let shift = told[0].1 - expected[0].1;
    let expected: Vec<_> = expected.into_iter().map(|(number, ticks)| (number, ticks + shift)).collect();
    assert_eq!(told, expected);
}

#[test]
fn feedback_follows_within_a_tenth_of_a_second() {
    let (mut call, _) = Call::with_video();
    call.publish(&numbered(Rtp::key(1), 1));
    call.run_for(ms(100));
    assert_eq!(told(&call).len(), 1);
    call.run_for(ms(10_000));
    assert_eq!(told(&call).len(), 1, "and nothing follows nothing");
}

#[test]
fn a_burst_is_answered_at_once() {
    let (mut call, _) = Call::with_video();
    (0..250).for_each(|sequence| call.publish(&numbered(Rtp::delta(sequence), sequence)));
    assert_eq!(told(&call).len(), 200);
}

#[test]
fn probes_of_padding_on_either_stream_are_told_about() {
    let (mut call, _) = Call::with_video();
    call.publish(&numbered(Rtp::key(1), 1));
    call.publish(&numbered(Rtp::padding(2), 2));
    call.publish(&numbered(Rtp { payload: Vec::new(), padding: 100, ..Rtp::delta(1).into_rtx(1) }, 3));
    call.publish(&numbered(Rtp::key(1).into_rtx(2), 4));
    call.publish(&numbered(Rtp { ssrc: 99, ..Rtp::key(1) }, 5));
    call.run_for(ms(100));
    assert_eq!(told(&call).iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
}
