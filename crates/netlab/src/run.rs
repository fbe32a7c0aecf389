//! Runs a scenario in virtual time.

use std::collections::VecDeque;

use crate::flow::{Flow, Wire};
use crate::flows::{FlowSettings, Millrace, Tcp};
#[cfg(feature = "others")]
use crate::flows::{Rtc, Str0m};
use crate::link::Link;
use crate::measure::Record;
use crate::scenarios::{Member, Scenario};
use crate::{MS, Micros, SECOND};

/// Who is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// `crates/bandwidth`.
    Millrace,
    /// str0m's whole stack.
    #[cfg(feature = "others")]
    Str0m,
    /// rtc-interceptor's `Gcc` and `Pacer`.
    #[cfg(feature = "others")]
    Rtc,
}

impl Contender {
    /// All, ours first.
    pub const ALL: &[Self] = &[
        Self::Millrace,
        #[cfg(feature = "others")]
        Self::Str0m,
        #[cfg(feature = "others")]
        Self::Rtc,
    ];

    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Millrace => "Millrace",
            #[cfg(feature = "others")]
            Self::Str0m => "str0m",
            #[cfg(feature = "others")]
            Self::Rtc => "rtc",
        }
    }

    fn flow(self, settings: &FlowSettings) -> Box<dyn Flow> {
        match self {
            Self::Millrace => Box::new(Millrace::new(settings)),
            #[cfg(feature = "others")]
            Self::Str0m => Box::new(Str0m::new(settings)),
            #[cfg(feature = "others")]
            Self::Rtc => Box::new(Rtc::new(settings)),
        }
    }
}

/// How finely virtual time runs for senders; the link itself is exact.
const STEP: Micros = MS / 4;

/// Runs `scenario` with `contender` in the places of its viewers.
pub fn run(scenario: &Scenario, contender: Contender, seed: u64) -> Record {
    let mut link = Link::new(scenario.link(seed), seed);
    let flow = |(index, member): (usize, &Member)| match *member {
        Member::Viewer { start, source } => {
            contender.flow(&FlowSettings { source, start, seed: seed * 31 + index as u64 })
        }
        Member::Tcp { start, end } => Box::new(Tcp::new(start, end)),
    };
    let mut flows: Vec<_> = scenario.members.iter().enumerate().map(flow).collect();
    let mut back: VecDeque<(Micros, usize, Vec<u8>)> = VecDeque::new();
    let mut record = Record::new(scenario, flows.len());
    let mut wire = Wire::default();
    let mut now = 0;
    while now < scenario.seconds * SECOND {
        now += STEP;
        link.advance(now, |passed| record.passed(now, passed));
        while let Some((packet, at)) = link.poll(now) {
            flows[packet.flow].arrive(&packet.contents, at, &mut wire);
            take_back(&mut wire, packet.flow, at + link.settings.round_trip / 2, &mut back);
        }
        while let Some((_, flow, contents)) = back.pop_front_if(|(at, ..)| *at <= now) {
            flows[flow].arrive_back(&contents, now);
        }
        for (index, flow) in flows.iter_mut().enumerate() {
            flow.advance(now, &mut wire);
            for mut packet in wire.forward.drain(..) {
                packet.flow = index;
                record.sent(&packet);
                if let Some(dropped) = link.push(packet, now) {
                    record.dropped(&dropped);
                }
            }
            take_back(&mut wire, index, now + link.settings.round_trip / 2, &mut back);
        }
        if now % crate::measure::BIN == 0 {
            record.sample(now, &link, &flows);
        }
    }
    record
}

fn take_back(wire: &mut Wire, flow: usize, at: Micros, back: &mut VecDeque<(Micros, usize, Vec<u8>)>) {
    back.extend(wire.back.drain(..).map(|contents| (at, flow, contents)));
}
