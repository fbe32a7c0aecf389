//! When in each tick's length to mix, so that the packets that were waited for have just come.

/// How long before a tick packets should be ready: 3 ms, in samples of 48 kHz. More than the hysteresis of playing out.
const SLACK: i64 = 144;

/// A tick is moved when the longest wait gets shorter by this: 3 ms.
const WORTH: i64 = 144;

/// Part of a tick's length by which it comes earlier or later at once while it is moved: less than playing out can follow.
const STEP_PART: i64 = 240;

/// How far to move the next tick, due at `next`, when inputs are ready at the times `ready`, each modulo `length`.
///
/// The best place is right behind the longest time without any. `settled`: streams hang on the present place, so it is
/// left step by step; otherwise at once.
pub(super) fn shift(next: i64, length: i64, ready: &mut [i64], settled: bool) -> i64 {
    ready.iter_mut().for_each(|time| *time = (next - *time).rem_euclid(length));
    ready.sort_unstable();
    // From here on: how long each waits until the tick, the shortest first.
    let (Some(&shortest), Some(&longest)) = (ready.first(), ready.last()) else { return 0 };
    // Behind each, how long until the next one is ready: that is the one before it in the list.
    let pauses = ready.iter().enumerate().map(|(index, wait)| match index.checked_sub(1) {
        Some(next) => (wait - ready[next], *wait),
        None => (wait + length - longest, *wait),
    });
    let (pause, wait) = pauses.max().unwrap_or((length, shortest));
    let earlier = wait - SLACK;
    if !settled {
        return if earlier <= 0 { -earlier } else { length - earlier };
    }
    let step = length / STEP_PART;
    // The last input before the tick is nearly missed, and the pause behind it is long enough to come later.
    if wait < SLACK / 2 && pause > 2 * SLACK {
        return (-earlier).min(step);
    }
    let best = length - pause + SLACK;
    if longest - best < WORTH {
        return 0;
    }
    // Earlier than an input is ready it would have to wait for the next tick, and find its sound missing first.
    let later = length - earlier;
    let may_be_earlier = (0..=shortest - SLACK / 2).contains(&earlier);
    if later > length / 4 && may_be_earlier { -1 } else { later.rem_euclid(length).min(step) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 48;
    const LENGTH: i64 = 20 * MS;

    /// Moves a tick until it stays; returns the longest wait.
    fn settle(inputs: &[i64]) -> i64 {
        let mut next = 1_000_000 * LENGTH;
        for _ in 0..1_000 {
            let mut ready: Vec<_> = inputs.iter().map(|phase| phase * MS).collect();
            next += LENGTH + shift(next, LENGTH, &mut ready, true);
        }
        inputs.iter().map(|phase| (next - phase * MS).rem_euclid(LENGTH)).max().unwrap_or(0)
    }

    #[test]
    fn one_input_is_mixed_as_soon_as_it_is_ready() {
        for phase in 0..20 {
            assert!(settle(&[phase]) <= SLACK + WORTH, "{phase}: {}", settle(&[phase]));
        }
    }

    #[test]
    fn several_inputs_wait_no_longer_than_their_longest_pause_allows() {
        assert!(settle(&[0, 2, 4]) <= 4 * MS + SLACK + WORTH);
        assert!(settle(&[18, 1, 3]) <= 5 * MS + SLACK + WORTH);
        assert!(settle(&[0, 10]) <= 10 * MS + SLACK + WORTH);
        assert!(settle(&[5, 5, 5]) <= SLACK + WORTH);
    }

    #[test]
    fn the_first_input_is_met_at_once_and_none_moves_nothing() {
        assert_eq!(shift(100 * LENGTH, LENGTH, &mut [], true), 0);
        let moved = shift(100 * LENGTH, LENGTH, &mut [7 * MS], false);
        assert_eq!((100 * LENGTH + moved - 7 * MS).rem_euclid(LENGTH), SLACK);
        assert!((0..LENGTH).contains(&moved));
    }
}
