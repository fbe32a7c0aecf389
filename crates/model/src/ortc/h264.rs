//! Profiles and levels of H.264 (RFC 6184 §8.1), as far as they decide whether two codecs match.

use crate::rtp::{ParameterValue, Parameters};

/// What an absent `profile-level-id` stands for. RFC 6184 says Baseline at level 1; libwebrtc, and with it every
/// browser, says Constrained Baseline at level 3.1.
const DEFAULT: ProfileLevel = ProfileLevel { profile: Profile::ConstrainedBaseline, level: Level(310) };

/// Constraint flag 3 within `profile_iop`.
const CONSTRAINT_SET3: u8 = 0x10;

/// Values of `level_idc` (ITU-T H.264 table A-1).
const LEVELS: [u8; 16] = [10, 11, 12, 13, 20, 21, 22, 30, 31, 32, 40, 41, 42, 50, 51, 52];

/// What a `profile-level-id` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ProfileLevel {
    profile: Profile,
    level: Level,
}

/// Profiles that browsers negotiate (ITU-T H.264 annex A).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Profile {
    ConstrainedBaseline,
    Baseline,
    Main,
    ConstrainedHigh,
    High,
    PredictiveHigh444,
}

/// Ten times `level_idc`, so that level 1b has its place between 1 and 1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Level(u16);

impl Level {
    const ONE_B: Self = Self(105);
}

/// What comes of an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Neither side names a profile, so neither does the answer.
    Unnamed,
    /// The `profile-level-id` to use.
    ProfileLevelId(String),
}

/// Whether both sides mean the same profile; levels may differ.
pub(super) fn is_same_profile(a: &Parameters, b: &Parameters) -> bool {
    match (of(a), of(b)) {
        (Some(a), Some(b)) => a.profile == b.profile,
        _ => false,
    }
}

/// The profile and level that `local` answers `remote` with: the lower level of both, or its own where both allow the
/// levels to differ (RFC 6184 §8.2.2). `None` where the profiles differ or cannot be read.
pub(super) fn answer(local: &Parameters, remote: &Parameters) -> Option<Answer> {
    const NAME: &str = "profile-level-id";
    if local.get(NAME).is_none() && remote.get(NAME).is_none() {
        return Some(Answer::Unnamed);
    }
    let (ours, theirs) = (of(local)?, of(remote)?);
    if ours.profile != theirs.profile {
        return None;
    }
    let allows_asymmetry = |parameters: &Parameters| parameters.u32_or("level-asymmetry-allowed", 0) == Some(1);
    let is_asymmetric = allows_asymmetry(local) && allows_asymmetry(remote);
    let level = if is_asymmetric { ours.level } else { ours.level.min(theirs.level) };
    text(ProfileLevel { profile: ours.profile, level }).map(Answer::ProfileLevelId)
}

/// The profile and level that `parameters` name or leave to the default.
fn of(parameters: &Parameters) -> Option<ProfileLevel> {
    match parameters.get("profile-level-id") {
        None => Some(DEFAULT),
        Some(ParameterValue::Text(text)) => parse(text),
        // SDP parsers turn a text of digits, such as 640032, into a number.
        Some(number) => number.as_u32().and_then(|number| parse(&format!("{number:06}"))),
    }
}

/// Reads six hexadecimal digits: `profile_idc`, `profile_iop`, `level_idc`.
fn parse(text: &str) -> Option<ProfileLevel> {
    if text.len() != 6 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let [_, idc, iop, level_idc] = u32::from_str_radix(text, 16).ok()?.to_be_bytes();
    Some(ProfileLevel { profile: profile(idc, iop)?, level: level(iop, level_idc)? })
}

/// RFC 6184 §8.1, table 5: the constraint flags that make each profile. The low four bits are reserved, except that
/// Constrained High sets flags 4 and 5.
fn profile(idc: u8, iop: u8) -> Option<Profile> {
    let matches = |mask: u8, value: u8| iop & mask == value;
    match idc {
        0x42 if matches(0x4f, 0x40) => Some(Profile::ConstrainedBaseline),
        0x4d if matches(0x8f, 0x80) => Some(Profile::ConstrainedBaseline),
        0x58 if matches(0xcf, 0xc0) => Some(Profile::ConstrainedBaseline),
        0x42 if matches(0x4f, 0x00) => Some(Profile::Baseline),
        0x58 if matches(0xcf, 0x80) => Some(Profile::Baseline),
        0x4d if matches(0xaf, 0x00) => Some(Profile::Main),
        0x64 if iop == 0x00 => Some(Profile::High),
        0x64 if iop == 0x0c => Some(Profile::ConstrainedHigh),
        0xf4 if iop == 0x00 => Some(Profile::PredictiveHigh444),
        _ => None,
    }
}

/// A known level; 1.1 with constraint flag 3 is 1b.
fn level(iop: u8, level_idc: u8) -> Option<Level> {
    if level_idc == 11 && iop & CONSTRAINT_SET3 != 0 {
        return Some(Level::ONE_B);
    }
    LEVELS.contains(&level_idc).then_some(Level(u16::from(level_idc) * 10))
}

/// Writes a `profile-level-id`. `None` for level 1b of profiles that have no such level.
fn text(ProfileLevel { profile, level }: ProfileLevel) -> Option<String> {
    if level == Level::ONE_B {
        let text = match profile {
            Profile::ConstrainedBaseline => "42f00b",
            Profile::Baseline => "42100b",
            Profile::Main => "4d100b",
            Profile::ConstrainedHigh | Profile::High | Profile::PredictiveHigh444 => return None,
        };
        return Some(text.to_owned());
    }
    let profile = match profile {
        Profile::ConstrainedBaseline => "42e0",
        Profile::Baseline => "4200",
        Profile::Main => "4d00",
        Profile::ConstrainedHigh => "640c",
        Profile::High => "6400",
        Profile::PredictiveHigh444 => "f400",
    };
    Some(format!("{profile}{:02x}", level.0 / 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(id: &str, is_asymmetric: bool) -> Parameters {
        let mut parameters = Parameters::default();
        parameters.set("profile-level-id", id);
        parameters.set("level-asymmetry-allowed", u32::from(is_asymmetric));
        parameters
    }

    fn answered(local: &str, remote: &str, is_asymmetric: bool) -> Option<String> {
        match answer(&parameters(local, is_asymmetric), &parameters(remote, is_asymmetric))? {
            Answer::ProfileLevelId(id) => Some(id),
            Answer::Unnamed => None,
        }
    }

    #[test]
    fn profiles_that_chromium_offers_are_told_apart() {
        for (id, expected) in [
            ("42e01f", Profile::ConstrainedBaseline),
            ("42E01F", Profile::ConstrainedBaseline),
            ("4d801f", Profile::ConstrainedBaseline),
            ("58c01f", Profile::ConstrainedBaseline),
            ("42001f", Profile::Baseline),
            ("58801f", Profile::Baseline),
            ("4d001f", Profile::Main),
            ("640c1f", Profile::ConstrainedHigh),
            ("64001f", Profile::High),
            ("f4001f", Profile::PredictiveHigh444),
        ] {
            assert_eq!(parse(id).map(|found| found.profile), Some(expected), "{id}");
        }
    }

    #[test]
    fn malformed_and_unknown_ids_are_none() {
        for id in ["", "42e01", "42e01ff", "+2e01f", "42e0é", "000000", "42e000", "42ff1f", "64011f", "ffffff"] {
            assert_eq!(parse(id), None, "{id}");
        }
    }

    #[test]
    fn level_1b_lies_between_1_and_1_1() {
        let level = |id: &str| parse(id).unwrap().level;
        assert!(level("42e00a") < level("42f00b") && level("42f00b") < level("42e00b"));
        assert_eq!(answered("42f00b", "42e00b", false).as_deref(), Some("42f00b"));
        assert_eq!(answered("64000b", "64000b", false).as_deref(), Some("64000b"));
    }

    #[test]
    fn the_answer_is_the_lower_level_unless_both_allow_asymmetry() {
        assert_eq!(answered("42e01f", "42e015", false).as_deref(), Some("42e015"));
        assert_eq!(answered("42e01f", "42e015", true).as_deref(), Some("42e01f"));
        assert_eq!(answered("42e015", "42e01f", true).as_deref(), Some("42e015"));
        assert_eq!(answered("42e01f", "64001f", true), None);
        assert_eq!(answer(&Parameters::default(), &Parameters::default()), Some(Answer::Unnamed));
    }

    #[test]
    fn an_absent_id_is_constrained_baseline_and_a_number_is_read_as_digits() {
        let absent = Parameters::default();
        assert!(is_same_profile(&absent, &parameters("42e034", false)));
        assert!(!is_same_profile(&absent, &parameters("420034", false)));
        let mut number = Parameters::default();
        number.set("profile-level-id", 640_032);
        assert!(is_same_profile(&number, &parameters("640032", false)));
        assert!(!is_same_profile(&number, &parameters("nonsense", false)));
    }
}
