//! Whole calls over bad networks, from a seed.

use std::collections::{HashMap, HashSet};

use millrace_packet::rtcp::feedback::FeedbackSsrcs;

use crate::call::{Call, Rtp, ms};

/// A sequence of numbers that its seed decides (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// A picture whose payload names its number.
fn picture(sequence: u16) -> Rtp {
    let mut packet = if sequence.is_multiple_of(300) { Rtp::key(sequence) } else { Rtp::delta(sequence) };
    packet.payload.extend(sequence.to_be_bytes());
    packet
}

#[test]
fn at_ten_percent_loss_on_both_sides_the_viewer_gets_every_packet() {
    let (mut call, producer) = Call::with_video();
    let (viewer, ssrc, _) = call.view(producer);
    let (mut chance, mut rtx_sequence) = (Chance(11), 0u16);
    let mut received: HashMap<u16, Vec<u8>> = HashMap::new();
    let mut nacks_read = 0;
    for sequence in 0..3000u16 {
        // The last pictures arrive, so that no loss goes unnoticed.
        let lucky = sequence == 0 || sequence > 2900;
        if lucky || !chance.percent(10) {
            call.publish(&picture(sequence));
        }
        call.run_for(ms(5));
        let nacked = call.nacked();
        for missing in &nacked[nacks_read..] {
            rtx_sequence = rtx_sequence.wrapping_add(1);
            if !chance.percent(10) {
                call.publish(&picture(*missing).into_rtx(rtx_sequence));
            }
        }
        nacks_read = nacked.len();
        for sent in call.out.rtp.drain(..) {
            if lucky || !chance.percent(10) {
                let number = sent.rewrite.original_sequence.unwrap_or(sent.rewrite.sequence);
                received.insert(number, sent.payload);
            }
        }
        let newest = received.keys().max().copied().unwrap_or(1000);
        let missing: Vec<_> =
            (newest.saturating_sub(200).max(1000)..newest).filter(|number| !received.contains_key(number)).collect();
        if sequence % 8 == 0 && !missing.is_empty() {
            let ssrcs = FeedbackSsrcs { sender: 1, media: ssrc };
            call.rtcp(viewer, |writer| writer.nack(ssrcs, missing.iter().copied()).unwrap());
        }
    }
    for sequence in 0..3000u16 {
        assert_eq!(received.get(&(1000 + sequence)), Some(&picture(sequence).payload), "packet {sequence}");
    }
}

#[test]
fn no_number_is_ever_given_to_two_packets_whatever_happens() {
    for seed in 1..40 {
        let mut chance = Chance(seed);
        let (mut call, producer) = Call::with_video();
        let (_, _, consumer) = call.view(producer);
        let (mut sequence, mut waiting, mut numbers) = (0u16, Vec::new(), HashSet::new());
        for _ in 0..2000 {
            sequence = sequence.wrapping_add(1);
            let packet = match chance.below(20) {
                0 => Rtp::key(sequence),
                1 => Rtp::padding(sequence),
                _ => picture(sequence),
            };
            match chance.below(10) {
                0 => {}
                1 | 2 => waiting.push(packet),
                3 => call.publish(&packet.into_rtx(sequence)),
                _ => call.publish(&packet),
            }
            if chance.percent(15) {
                waiting.drain(..).for_each(|packet| call.publish(&packet));
            }
            match chance.below(100) {
                0 => call.router.pause_consumer(consumer, call.now, &mut call.out),
                1 | 2 => call.router.resume_consumer(consumer, call.now, &mut call.out),
                3 => _ = call.router.pause_producer(producer, call.now, &mut call.out),
                4 | 5 => _ = call.router.resume_producer(producer, call.now, &mut call.out),
                6 => sequence = sequence.wrapping_add(chance.below(65_536) as u16),
                _ => {}
            }
            call.run_for(ms(chance.below(30)));
            for sent in call.out.rtp.drain(..) {
                assert!(numbers.insert(sent.rewrite.sequence), "seed {seed}: {} twice", sent.rewrite.sequence);
            }
        }
        assert!(numbers.len() > 200, "seed {seed}: only {} packets", numbers.len());
    }
}
