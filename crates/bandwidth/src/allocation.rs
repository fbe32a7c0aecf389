//! Who gets how much of a line: the layers of each stream by priority, without flapping.

use std::time::{Duration, Instant};

use arrayvec::ArrayVec;

/// Rungs of one ladder. What stands beyond them, above, is left out.
pub const RUNGS_MAX: usize = 32;

/// What a step up must leave over, in percent of its bitrate: media varies, and an estimate too.
const RAISE_PERCENT: u64 = 115;

/// What is sent already may exceed its part by a little before it is lowered.
const KEEP_PERCENT: u64 = 95;

/// The lowest rung is held on to for longer: below it there is no picture at all.
const HOLD_ON_PERCENT: u64 = 80;

/// A stream that was lowered is not raised for this long.
const HOLD_MIN: Duration = Duration::from_secs(2);

/// The same after several raises that did not last.
const HOLD_MAX: Duration = Duration::from_secs(64);

/// A raise that did not last this long was a mistake: the next try waits twice as long as the last, from [`RETRY`] on.
const LASTED: Duration = Duration::from_secs(10);

/// The wait after the first mistake.
const RETRY: Duration = Duration::from_secs(8);

/// One way to send a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rung {
    /// Spatial layer.
    pub spatial_layer: u8,
    /// Highest temporal layer.
    pub temporal_layer: u8,
    /// What it takes, in bit/s.
    pub bitrate: u64,
}

impl Rung {
    const fn layers(&self) -> (u8, u8) {
        (self.spatial_layer, self.temporal_layer)
    }
}

/// The ways to send a stream, from the least to the best; each takes more than those below it.
#[derive(Clone, Debug, Default)]
pub struct Ladder {
    rungs: ArrayVec<Rung, RUNGS_MAX>,
}

impl Ladder {
    /// Makes a ladder of `rungs`, given from the least to the best.
    pub fn new(rungs: impl IntoIterator<Item = Rung>) -> Self {
        let mut ladder = Self::default();
        rungs.into_iter().for_each(|rung| ladder.push(rung));
        ladder
    }

    /// Adds a rung that is better than those so far, of which those that take no less are left out. With
    /// [`RUNGS_MAX`] of them nothing is added.
    pub fn push(&mut self, rung: Rung) {
        while self.rungs.last().is_some_and(|last| last.bitrate >= rung.bitrate) {
            self.rungs.pop();
        }
        // What is too much is the best of layers that nobody tells apart.
        let _ = self.rungs.try_push(rung);
    }

    /// The rungs.
    pub fn rungs(&self) -> &[Rung] {
        &self.rungs
    }

    /// Leaves out what takes more than `percent` of the best rung, but for the lowest one.
    pub fn limit_to(&mut self, percent: u64) {
        let most = self.rungs.last().map_or(0, |rung| rung.bitrate.saturating_mul(percent) / 100);
        let kept = self.rungs.iter().filter(|rung| rung.bitrate <= most).count();
        self.rungs.truncate(kept.max(1));
    }

    /// The place of the best rung that is not above these layers.
    fn place_of(&self, layers: (u8, u8)) -> usize {
        self.rungs.iter().rposition(|rung| rung.layers() <= layers).unwrap_or(0)
    }
}

/// What a stream was given, as it is kept from one allocation to the next.
#[derive(Clone, Copy, Debug, Default)]
pub struct Share {
    /// `None` before the first allocation.
    granted: Option<Granted>,
    raised_at: Option<Instant>,
    /// Since when there has been no room for what flows.
    short_since: Option<Instant>,
    /// Not raised before.
    hold_until: Option<Instant>,
    hold: Duration,
}

/// What a stream may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granted {
    /// At most this.
    Layers {
        /// Spatial layer.
        spatial_layer: u8,
        /// Highest temporal layer.
        temporal_layer: u8,
    },
    /// Nothing.
    Shed,
}

impl Share {
    /// What was granted last; `None` before the first allocation.
    pub const fn granted(&self) -> Option<Granted> {
        self.granted
    }

    /// What the stream takes as it is sent now, in bit/s, by its ladder; 0 where nothing was granted.
    pub fn bitrate(&self, ladder: &Ladder) -> u64 {
        let rung = self.level(ladder).and_then(|level| ladder.rungs.get(level.checked_sub(1)?));
        rung.map_or(0, |rung| rung.bitrate)
    }

    /// Forgets everything: the stream begins anew.
    pub fn reset(&mut self) {
        *self = Self::default();
    }

    /// The place of the ladder that is held, as a number: 0 is nothing, 1 the lowest rung.
    fn level(&self, ladder: &Ladder) -> Option<usize> {
        Some(match self.granted? {
            Granted::Shed => 0,
            Granted::Layers { spatial_layer, temporal_layer } => ladder.place_of((spatial_layer, temporal_layer)) + 1,
        })
    }

    fn is_held(&self, now: Instant) -> bool {
        self.hold_until.is_some_and(|until| now < until)
    }

    /// Takes a new grant, and learns whether the last raise lasted.
    fn grant(&mut self, granted: Granted, change: std::cmp::Ordering, now: Instant) {
        self.granted = Some(granted);
        if granted == Granted::Shed {
            self.short_since = None;
        }
        match change {
            std::cmp::Ordering::Greater => self.raised_at = Some(now),
            std::cmp::Ordering::Less => {
                let raised = self.raised_at.take();
                let was_mistake = raised.is_some_and(|at| now.saturating_duration_since(at) < LASTED);
                self.hold = if was_mistake { (self.hold * 2).clamp(RETRY, HOLD_MAX) } else { HOLD_MIN };
                self.hold_until = Some(now + self.hold);
            }
            std::cmp::Ordering::Equal => {}
        }
    }
}

/// One stream that wants a part of the line.
#[derive(Debug)]
pub struct Claim<Id> {
    /// Who it is, for the caller. Of two that are alike in all else, the lesser one is served first.
    pub id: Id,
    /// 1 to 255: how many steps up it takes in each round, and who is served first.
    pub priority: u8,
    /// What it could send, up to what is wanted of it. An empty ladder takes nothing and gets nothing.
    pub ladder: Ladder,
    /// What it had, and then has.
    pub share: Share,
    /// What it is given, while that is worked out: 0 is nothing, 1 the lowest rung.
    level: usize,
}

impl<Id> Claim<Id> {
    /// A claim of one that had `share` so far.
    pub const fn new(id: Id, priority: u8, ladder: Ladder, share: Share) -> Self {
        Self { id, priority, ladder, share, level: 0 }
    }

    /// What its lowest rung is counted for, once it has it.
    fn taken(&self) -> u64 {
        let percent = match self.share.level(&self.ladder) {
            None => 100,
            Some(0) => RAISE_PERCENT,
            Some(_) => KEEP_PERCENT,
        };
        self.ladder.rungs.first().filter(|_| self.level > 0).map_or(0, |rung| rung.bitrate * percent / 100)
    }
}

/// What there is to give.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// In bit/s, without what is reserved.
    pub bitrate: u64,
    /// Tells whether streams may be shed. Not as long as the bitrate is a guess: nobody is to see nothing for that.
    pub may_shed: bool,
    /// Tells whether one stream flows whatever the bitrate is: where nothing is sent, nobody learns what the path carries.
    pub keeps_one: bool,
    /// What arrives of late, in bit/s; 0 where nobody knows. A stream that flows and arrives is not shed, whatever is
    /// estimated.
    pub carried: u64,
    /// How long a stream that flows may lack room before it is shed.
    pub patience: Duration,
}

/// What came out of an allocation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What the granted rungs take, in bit/s.
    pub used: u64,
    /// What all claims take at their best, with the reserve of a step up: what is worth probing for.
    pub wanted: u64,
    /// Streams that get nothing because nothing fits.
    pub shed: usize,
}

/// Divides `line` among `claims`, which come back in the order in which they were served.
///
/// First each gets its lowest rung, those of higher priority first and those that flow before those that do not. Then, in
/// rounds, each goes up as many rungs as its priority says while that fits. What is higher than before must fit with a
/// reserve, what was sent already may exceed its part by a little, and who was lowered waits before it is raised: the
/// longer, the more often a raise did not last.
///
/// Cost: proportional to the rungs of all claims; nothing is allocated.
pub fn allocate<Id: Copy + Ord>(line: Line, claims: &mut [Claim<Id>], now: Instant) -> Outcome {
    claims.sort_unstable_by_key(|claim| {
        let flows = claim.share.level(&claim.ladder).is_some_and(|level| level > 0);
        let lowest = claim.ladder.rungs.first().map_or(0, |rung| rung.bitrate);
        (std::cmp::Reverse(claim.priority), !flows, lowest, claim.id)
    });
    let mut left = line.bitrate;
    let kept = claims.iter().position(|claim| line.keeps_one && !claim.ladder.rungs.is_empty());
    for (place, claim) in claims.iter_mut().enumerate() {
        let line = Line { may_shed: line.may_shed && kept != Some(place), ..line };
        claim.level = first_rung(claim, line, line.bitrate - left, now);
        left = left.saturating_sub(claim.taken());
    }
    while raise_all(claims, &mut left, now) {}
    let mut outcome = Outcome::default();
    for claim in claims {
        outcome.wanted += claim.ladder.rungs.last().map_or(0, |rung| rung.bitrate * RAISE_PERCENT / 100);
        if !claim.ladder.rungs.is_empty() {
            settle(claim, &mut outcome, now);
        }
    }
    outcome
}

/// Grants what was worked out.
fn settle<Id>(claim: &mut Claim<Id>, outcome: &mut Outcome, now: Instant) {
    let level = claim.level;
    let before = claim.share.level(&claim.ladder).unwrap_or(level);
    let granted = match level.checked_sub(1).map(|place| claim.ladder.rungs[place]) {
        Some(rung) => {
            outcome.used += rung.bitrate;
            Granted::Layers { spatial_layer: rung.spatial_layer, temporal_layer: rung.temporal_layer }
        }
        None => {
            outcome.shed += 1;
            Granted::Shed
        }
    };
    claim.share.grant(granted, level.cmp(&before), now);
}

/// Gives a claim its lowest rung, if that fits beside what others took.
fn first_rung<Id>(claim: &mut Claim<Id>, line: Line, taken: u64, now: Instant) -> usize {
    let Some(rung) = claim.ladder.rungs.first() else { return 0 };
    let left = line.bitrate.saturating_sub(taken);
    let needed = match claim.share.level(&claim.ladder) {
        None => rung.bitrate,
        Some(0) if line.may_shed && claim.share.is_held(now) => return 0,
        Some(0) => rung.bitrate * RAISE_PERCENT / 100,
        Some(_) => return usize::from(keeps_rung(claim, line, taken, now)),
    };
    usize::from(needed <= left || !line.may_shed)
}

/// Tells whether a stream that flows goes on.
fn keeps_rung<Id>(claim: &mut Claim<Id>, line: Line, taken: u64, now: Instant) -> bool {
    let needed = claim.ladder.rungs.first().map_or(0, |rung| rung.bitrate * HOLD_ON_PERCENT / 100);
    if needed <= line.bitrate.max(line.carried).saturating_sub(taken) {
        claim.share.short_since = None;
        return true;
    }
    let since = *claim.share.short_since.get_or_insert(now);
    !line.may_shed || now.saturating_duration_since(since) < line.patience
}

/// One round. Tells whether somebody was raised.
fn raise_all<Id>(claims: &mut [Claim<Id>], left: &mut u64, now: Instant) -> bool {
    let mut raised = false;
    for claim in claims {
        for _ in 0..claim.priority.max(1) {
            let step = (claim.level > 0).then(|| step_cost(claim, claim.level, now)).flatten();
            let Some(cost) = step.filter(|cost| *cost <= *left) else { break };
            *left -= cost;
            claim.level += 1;
            raised = true;
        }
    }
    raised
}

/// What the next level takes more than `level`; `None` where there is none, or it must wait.
fn step_cost<Id>(claim: &Claim<Id>, level: usize, now: Instant) -> Option<u64> {
    let held = claim.share.level(&claim.ladder);
    let is_higher = held.is_some_and(|held| level + 1 > held);
    if is_higher && claim.share.is_held(now) {
        return None;
    }
    let cost = |level: usize| {
        let percent = match held {
            Some(held) if level > held => RAISE_PERCENT,
            Some(_) => KEEP_PERCENT,
            None => 100,
        };
        Some(claim.ladder.rungs.get(level - 1)?.bitrate * percent / 100)
    };
    Some(cost(level + 1)?.saturating_sub(cost(level)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KBIT: u64 = 1000;

    fn simulcast() -> Ladder {
        ladder(&[150, 500, 1500])
    }

    fn ladder(kbits: &[u64]) -> Ladder {
        Ladder::new(kbits.iter().zip(0..).map(|(kbit, layer)| Rung {
            spatial_layer: layer,
            temporal_layer: 0,
            bitrate: kbit * KBIT,
        }))
    }

    fn line(kbit: u64) -> Line {
        Line { bitrate: kbit * KBIT, may_shed: true, ..Line::default() }
    }

    /// The spatial layers that claims with these priorities and ladders get; `None` for one that is shed.
    fn divide(line: Line, streams: &[(u8, Ladder)], shares: &mut [Share], now: Instant) -> Vec<Option<u8>> {
        let claims = streams.iter().zip(shares.iter()).enumerate();
        let mut claims: Vec<_> =
            claims.map(|(id, ((priority, ladder), share))| Claim::new(id, *priority, ladder.clone(), *share)).collect();
        allocate(line, &mut claims, now);
        claims.iter().for_each(|claim| shares[claim.id] = claim.share);
        shares
            .iter()
            .map(|share| match share.granted() {
                Some(Granted::Layers { spatial_layer, .. }) => Some(spatial_layer),
                _ => None,
            })
            .collect()
    }

    fn fresh(line: Line, streams: &[(u8, Ladder)]) -> Vec<Option<u8>> {
        divide(line, streams, &mut vec![Share::default(); streams.len()], Instant::now())
    }

    #[test]
    fn each_stream_gets_the_best_that_fits() {
        for (kbit, layer) in [(2000, Some(2)), (1499, Some(1)), (500, Some(1)), (499, Some(0)), (100, None)] {
            assert_eq!(fresh(line(kbit), &[(1, simulcast())]), [layer], "{kbit} kbit/s");
        }
    }

    #[test]
    fn streams_of_one_priority_share_and_a_higher_one_goes_first() {
        let two = |first, second| [(first, simulcast()), (second, simulcast())];
        assert_eq!(fresh(line(1100), &two(1, 1)), [Some(1), Some(1)]);
        assert_eq!(fresh(line(1700), &two(1, 1)), [Some(1), Some(1)]);
        assert_eq!(fresh(line(1700), &two(1, 2)), [Some(0), Some(2)]);
        assert_eq!(fresh(line(2100), &two(1, 1)), [Some(2), Some(1)]);
    }

    #[test]
    fn as_few_as_possible_are_shed_and_none_for_a_guess() {
        let streams = [(1, ladder(&[900])), (1, ladder(&[300])), (1, ladder(&[200]))];
        assert_eq!(fresh(line(520), &streams), [None, Some(0), Some(0)]);
        assert_eq!(fresh(line(0), &streams), [None; 3]);
        let guess = Line { may_shed: false, ..line(100) };
        assert_eq!(fresh(guess, &streams), [Some(0); 3]);
        let lone = Line { keeps_one: true, ..line(0) };
        assert_eq!(fresh(lone, &streams), [None, None, Some(0)]);
        let important = [(9, ladder(&[450])), (1, ladder(&[300])), (1, ladder(&[200]))];
        assert_eq!(fresh(line(520), &important), [Some(0), None, None]);
    }

    #[test]
    fn an_estimate_that_trembles_moves_nothing() {
        let (streams, mut shares, start) = ([(1, simulcast())], [Share::default()], Instant::now());
        assert_eq!(divide(line(1600), &streams, &mut shares, start), [Some(2)]);
        for step in 0..600 {
            let trembling = line(1450 + (step * 37) % 280);
            let now = start + Duration::from_millis(100 * step);
            assert_eq!(divide(trembling, &streams, &mut shares, now), [Some(2)]);
        }
        assert_eq!(divide(line(1300), &streams, &mut shares, start + Duration::from_secs(61)), [Some(1)]);
        for step in 0..600 {
            let trembling = line(1500 + (step * 37) % 200);
            let now = start + Duration::from_secs(70) + Duration::from_millis(100 * step);
            assert_eq!(divide(trembling, &streams, &mut shares, now), [Some(1)]);
        }
    }

    #[test]
    fn a_line_that_rises_and_falls_again_and_again_is_tried_ever_more_seldom() {
        let (streams, mut shares, start) = ([(1, simulcast())], [Share::default()], Instant::now());
        let mut layer = divide(line(1000), &streams, &mut shares, start);
        let mut switches = [0; 5];
        for tick in 1..3000 {
            let now = start + Duration::from_millis(100 * tick);
            // The estimate rises as soon as the layer is low, and falls as soon as it is high.
            let estimate = if layer == [Some(1)] { 2000 } else { 1000 };
            let before = std::mem::replace(&mut layer, divide(line(estimate), &streams, &mut shares, now));
            switches[(tick / 600) as usize] += usize::from(layer != before);
        }
        assert!(switches[0] <= 8 && switches[1..].iter().all(|count| *count <= 4), "{switches:?}");
    }

    #[test]
    fn after_a_fall_that_was_no_mistake_the_way_up_is_short() {
        let (streams, mut shares, start) = ([(1, simulcast())], [Share::default()], Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(divide(line(2500), &streams, &mut shares, at(0)), [Some(2)]);
        assert_eq!(divide(line(500), &streams, &mut shares, at(30)), [Some(1)]);
        assert_eq!(divide(line(2500), &streams, &mut shares, at(31)), [Some(1)]);
        assert_eq!(divide(line(2500), &streams, &mut shares, at(33)), [Some(2)]);
    }

    #[test]
    fn a_shed_stream_comes_back_with_a_reserve() {
        let (streams, mut shares, start) = ([(1, simulcast())], [Share::default()], Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(divide(line(150), &streams, &mut shares, at(0)), [Some(0)]);
        assert_eq!(divide(line(125), &streams, &mut shares, at(1)), [Some(0)], "it holds on to the picture");
        assert_eq!(divide(line(100), &streams, &mut shares, at(2)), [None]);
        assert_eq!(divide(line(160), &streams, &mut shares, at(9)), [None]);
        assert_eq!(divide(line(180), &streams, &mut shares, at(10)), [Some(0)]);
    }

    #[test]
    fn what_flows_and_arrives_is_not_shed_and_a_moment_without_room_is_waited_for() {
        let (streams, mut shares, start) = ([(1, ladder(&[800]))], [Share::default()], Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        let patient = |kbit, carried| Line { carried: carried * KBIT, patience: Duration::from_secs(3), ..line(kbit) };
        assert_eq!(divide(patient(1000, 0), &streams, &mut shares, at(0)), [Some(0)]);
        assert_eq!(divide(patient(300, 750), &streams, &mut shares, at(60_000)), [Some(0)], "it arrives");
        assert_eq!(divide(patient(300, 300), &streams, &mut shares, at(61_000)), [Some(0)]);
        assert_eq!(divide(patient(1000, 300), &streams, &mut shares, at(63_000)), [Some(0)]);
        assert_eq!(divide(patient(300, 300), &streams, &mut shares, at(65_000)), [Some(0)], "there was room meanwhile");
        assert_eq!(divide(patient(300, 300), &streams, &mut shares, at(68_000)), [None]);
        assert_eq!(divide(patient(300, 900), &streams, &mut shares, at(80_000)), [None], "it does not flow");
    }

    #[test]
    fn a_rung_that_takes_more_than_a_better_one_is_left_out() {
        let rungs = [(0, 0, 50), (0, 1, 80), (0, 2, 120), (1, 0, 110), (1, 1, 200)];
        let rung = |(spatial_layer, temporal_layer, bitrate)| Rung { spatial_layer, temporal_layer, bitrate };
        let ladder = Ladder::new(rungs.map(rung));
        let kept: Vec<u64> = ladder.rungs().iter().map(|rung| rung.bitrate).collect();
        assert_eq!(kept, [50, 80, 110, 200]);
        assert_eq!(Ladder::new((0..200).map(|bitrate| rung((0, 0, bitrate)))).rungs().len(), RUNGS_MAX);
    }

    #[test]
    fn a_ladder_can_be_cut_down_to_its_lowest_rung() {
        for (percent, rungs) in [(100, 3), (50, 2), (20, 1), (0, 1)] {
            let mut ladder = simulcast();
            ladder.limit_to(percent);
            assert_eq!(ladder.rungs().len(), rungs, "{percent} %");
        }
        Ladder::default().limit_to(50);
    }

    #[test]
    fn no_bitrate_is_too_large() {
        let huge = [(255, ladder(&[1, u64::MAX / 1_000_000_000])), (255, Ladder::default())];
        let line = Line { bitrate: u64::MAX, may_shed: true, ..Line::default() };
        assert_eq!(fresh(line, &huge), [Some(1), None]);
    }
}
