//! Sound through the audio codecs, judged by its spectrum; FFmpeg is the other end.

#![allow(clippy::unwrap_used, reason = "helpers of tests unwrap as tests do")]

mod support;

use millrace_codecs::{
    G722Decoder, G722Encoder, OpusDecoder, OpusEncoder, OpusSettings, OpusSignal, PcmaDecoder, PcmaEncoder,
    PcmuDecoder, PcmuEncoder,
};
use millrace_frames::{AudioDecoder, AudioEncoder, DecodeError, EncodeError};
use support::{amplitude, bytes_to_f32, channel, f32_to_bytes, ffmpeg, loudest_other_db, ogg, tone};

const FRAME: usize = 960;

#[test]
fn two_channels_of_opus_keep_their_tones_apart() {
    let (left, right) = (tone(48_000, 440.0, 0.4, 48_000), tone(48_000, 1300.0, 0.3, 48_000));
    let both: Vec<f32> = left.iter().zip(&right).flat_map(|(left, right)| [*left, *right]).collect();
    let settings = OpusSettings { channels: 2, signal: OpusSignal::Music, bitrate: 128_000, ..OpusSettings::default() };
    let heard = through(&mut OpusEncoder::new(settings).unwrap(), &mut OpusDecoder::new(48_000, 2).unwrap(), &both);
    for (which, hz, level) in [(0, 440.0, 0.4), (1, 1300.0, 0.3)] {
        let samples = &channel(&heard, 2, which)[9600..];
        let decibels = 20.0 * f32::log10(amplitude(samples, 48_000, hz) / level);
        assert!(decibels.abs() < 0.5, "channel {which}: {decibels} dB");
        let others = loudest_other_db(samples, 48_000, &[hz]);
        assert!(others < -40.0, "channel {which}: {others} dB");
    }
}

#[test]
fn mono_opus_sounds_the_same_at_every_rate_of_both_ends() {
    for sample_rate in [8000, 12_000, 16_000, 24_000, 48_000] {
        let sound = tone(sample_rate, 700.0, 0.5, sample_rate as usize);
        let settings = OpusSettings { sample_rate, ..OpusSettings::default() };
        let mut encoder = OpusEncoder::new(settings).unwrap();
        let heard = through(&mut encoder, &mut OpusDecoder::new(16_000, 1).unwrap(), &sound);
        let level = amplitude(&heard[4000..], 16_000, 700.0);
        assert!((0.44..0.56).contains(&level), "{sample_rate} Hz: {level}");
    }
}

#[test]
fn ffmpegs_own_opus_decoder_hears_what_we_encode() {
    let sound = tone(48_000, 1000.0, 0.5, 48_000);
    let settings = OpusSettings { bitrate: 64_000, ..OpusSettings::default() };
    let packets = packets(&mut OpusEncoder::new(settings).unwrap(), &sound);
    let file = ogg::opus_file(&packets, 1);
    let heard = bytes_to_f32(&ffmpeg("-c:a opus -f ogg -i - -f f32le -ac 1 -", file));
    assert!((heard.len() as i64 - 48_000).abs() <= 960, "{}", heard.len());
    let level = amplitude(&heard[9600..], 48_000, 1000.0);
    assert!((0.45..0.55).contains(&level), "{level}");
    assert!(loudest_other_db(&heard[9600..], 48_000, &[1000.0]) < -40.0);
}

#[test]
fn we_hear_what_ffmpegs_own_opus_encoder_makes() {
    let sound = tone(48_000, 1000.0, 0.5, 48_000);
    let file = ffmpeg(
        "-f f32le -ar 48000 -ac 1 -i - -c:a opus -strict -2 -b:a 64k -opus_delay 20 -f ogg -",
        f32_to_bytes(&sound),
    );
    let mut decoder = OpusDecoder::new(48_000, 1).unwrap();
    let heard = heard(&mut decoder, &ogg::opus_packets(&file));
    let level = amplitude(&heard[9600..40_000], 48_000, 1000.0);
    assert!((0.45..0.55).contains(&level), "{level}");
}

#[test]
fn opus_restores_a_lost_packet_from_the_next_and_makes_it_up_without() {
    let sound = voice(48_000 * 2);
    let mut encoder = OpusEncoder::new(OpusSettings::default()).unwrap();
    encoder.set_expected_loss(20);
    let packets = packets(&mut encoder, &sound);
    let whole = heard(&mut OpusDecoder::new(48_000, 1).unwrap(), &packets);
    // Every fifth packet is lost.
    let error = |fec: bool| {
        let mut decoder = OpusDecoder::new(48_000, 1).unwrap();
        let mut heard = vec![0.0; packets.len() * FRAME];
        for (at, packet) in packets.iter().enumerate() {
            let out = &mut heard[at * FRAME..][..FRAME];
            let frames = if at % 5 == 4 && at + 1 < packets.len() {
                decoder.conceal(FRAME, fec.then_some(packets[at + 1].as_slice()), out)
            } else {
                decoder.decode(packet, out)
            };
            assert_eq!(frames, Ok(FRAME));
        }
        let square = |(a, b): (&f32, &f32)| f64::from(a - b).powi(2);
        heard.iter().zip(&whole).map(square).sum::<f64>()
    };
    let (made_up, restored) = (error(false), error(true));
    assert!(made_up > 0.0 && restored < 0.5 * made_up, "restored {restored}, made up {made_up}");
}

#[test]
fn silence_costs_nothing_with_discontinuous_transmission() {
    let mut encoder = OpusEncoder::new(OpusSettings { dtx: true, ..OpusSettings::default() }).unwrap();
    let speaking = packets(&mut encoder, &voice(48_000));
    assert!(speaking.iter().all(|packet| packet.len() > 2));
    let silent = packets(&mut encoder, &vec![0.0; 48_000 * 4]);
    let sent = silent[50..].iter().filter(|packet| !packet.is_empty()).count();
    // One in 400 ms keeps the comfort noise current (RFC 6716 §2.1.9).
    assert!((1..=10).contains(&sent), "{sent} of 150 packets");
}

#[test]
fn bitrate_and_complexity_change_while_encoding() {
    let sound = voice(48_000 * 3);
    let mut encoder = OpusEncoder::new(OpusSettings::default()).unwrap();
    let bytes = |encoder: &mut OpusEncoder, bitrate, complexity| {
        encoder.set_bitrate(bitrate);
        encoder.set_complexity(complexity);
        packets(encoder, &sound).iter().map(Vec::len).sum::<usize>() * 8 / 3
    };
    for (wanted, complexity) in [(32_000, 5), (96_000, 0), (16_000, 10)] {
        let rate = bytes(&mut encoder, wanted, complexity) as f32 / wanted as f32;
        assert!((0.7..1.2).contains(&rate), "{wanted} bits a second: {rate}");
    }
    encoder.set_bitrate(0);
    encoder.set_bitrate(u32::MAX);
    encoder.set_complexity(255);
    encoder.set_expected_loss(255);
    assert!(packets(&mut encoder, &sound[..FRAME])[0].len() > 100);
}

#[test]
fn v06_opus_packets_at_the_edges_are_decoded_or_refused() {
    let mut decoder = OpusDecoder::new(48_000, 2).unwrap();
    let mut out = vec![0.0; 2 * 5760];
    // Code 3, 48 frames of 2.5 ms (CELT, fullband, mono, configuration 28), a byte each.
    let mut longest = vec![28 << 3 | 3, 48];
    longest.extend([0xA5; 48]);
    assert_eq!(decoder.decode(&longest, &mut out), Ok(5760), "120 ms");
    longest[1] = 49;
    longest.push(0xA5);
    assert_eq!(decoder.decode(&longest, &mut out), Err(DecodeError::Malformed), "122.5 ms");
    assert_eq!(decoder.decode(&[], &mut out), Err(DecodeError::Malformed), "nothing");
    assert_eq!(decoder.decode(&[28 << 3 | 3], &mut out), Err(DecodeError::Malformed), "no count of frames");
    let frame = |bytes: usize| [vec![31 << 3], vec![0x5A; bytes]].concat();
    assert_eq!(decoder.decode(&frame(1275), &mut out), Ok(960), "the largest frame");
    assert_eq!(decoder.decode(&frame(1276), &mut out), Err(DecodeError::Malformed), "a byte more");
    assert_eq!(decoder.decode(&frame(80), &mut out[..1919]), Err(DecodeError::OutputTooSmall));
    assert_eq!(decoder.conceal(960, None, &mut out[..1919]), Err(DecodeError::OutputTooSmall));
    for stereo in [0, 4, 0, 4, 4] {
        assert_eq!(decoder.decode(&[31 << 3 | stereo, 1, 2, 3, 4, 5], &mut out), Ok(960), "channels flip");
    }
    // What is made up comes in steps of 2.5 ms, and no more than asked for.
    assert_eq!(
        [0, 119, 120, 1000].map(|frames| decoder.conceal(frames, None, &mut out)),
        [Ok(0), Ok(0), Ok(120), Ok(960)]
    );
    assert_eq!(decoder.conceal(960, Some(&[3, 200]), &mut out), Ok(960), "the next packet is broken");
}

#[test]
fn settings_that_opus_does_not_have_are_refused() {
    let with = |change: fn(&mut OpusSettings)| {
        let mut settings = OpusSettings::default();
        change(&mut settings);
        OpusEncoder::new(settings).map(|_| ()).unwrap_err()
    };
    assert_eq!(with(|settings| settings.sample_rate = 44_100), EncodeError::BadInput);
    assert_eq!(with(|settings| settings.sample_rate = u32::MAX), EncodeError::BadInput);
    assert_eq!(with(|settings| settings.channels = 0), EncodeError::BadInput);
    assert_eq!(with(|settings| settings.channels = 3), EncodeError::BadInput);
    assert_eq!(with(|settings| settings.complexity = 11), EncodeError::BadInput);
    assert!(OpusDecoder::new(44_100, 1).is_err() && OpusDecoder::new(48_000, 3).is_err());
    let mut encoder = OpusEncoder::new(OpusSettings { channels: 2, ..OpusSettings::default() }).unwrap();
    let mut out = [0; 1000];
    assert_eq!(encoder.encode(&[0.0; 1921], &mut out), Err(EncodeError::BadInput), "half a sample");
    assert_eq!(encoder.encode(&[0.0; 1000], &mut out), Err(EncodeError::BadInput), "500 samples");
    assert_eq!(encoder.encode(&[0.0; 1920], &mut []), Err(EncodeError::OutputTooSmall));
    assert!(encoder.encode(&[f32::NAN; 1920], &mut out).is_ok());
}

/// A law as FFmpeg names it, and our ends of it.
type Law = (&'static str, Box<dyn AudioEncoder>, Box<dyn AudioDecoder>);

#[test]
fn ffmpeg_and_we_hear_the_same_in_g711() {
    let sound = voice(8000);
    // FFmpeg rounds floats in its own way, so both ends are given whole 16-bit steps.
    let steps: Vec<i16> = sound.iter().map(|sample| (sample * 32_000.0) as i16).collect();
    let sound: Vec<f32> = steps.iter().map(|step| f32::from(*step) / 32_768.0).collect();
    let bytes: Vec<u8> = steps.iter().flat_map(|step| step.to_le_bytes()).collect();
    let laws: [Law; 2] = [
        ("mulaw", Box::new(PcmuEncoder), Box::new(PcmuDecoder::new())),
        ("alaw", Box::new(PcmaEncoder), Box::new(PcmaDecoder::new())),
    ];
    for (law, mut encoder, mut decoder) in laws {
        let theirs = ffmpeg(&format!("-f s16le -ar 8000 -ac 1 -i - -f {law} -"), bytes.clone());
        let mut ours = vec![0; sound.len()];
        assert_eq!(encoder.encode(&sound, &mut ours), Ok(sound.len()));
        let samples =
            |bytes: Vec<u8>| bytes_to_f32(&ffmpeg(&format!("-f {law} -ar 8000 -ac 1 -i - -f f32le -"), bytes));
        // At the edges of the laws' segments FFmpeg takes the nearer step, where G.711 has decision values of its own: what
        // we send is held to half a step.
        for (sample, heard) in sound.iter().zip(samples(ours)) {
            assert!(
                (heard - sample).abs() <= (heard.abs() + 0.005) / 33.0 + 0.0003,
                "{law}: {sample} is heard as {heard}"
            );
        }
        let mut heard = vec![0.0; 1600];
        assert_eq!(decoder.decode(&theirs[..1600], &mut heard), Ok(1600));
        assert_eq!(heard, samples(theirs)[..1600], "{law}");
    }
}

#[test]
fn g722_is_what_ffmpeg_makes_of_it() {
    let sound: Vec<f32> = voice(96_000).iter().step_by(3).copied().collect();
    let steps: Vec<u8> = sound.iter().flat_map(|sample| ((sample * 32_768.0).round() as i16).to_le_bytes()).collect();
    // FFmpeg's encoder looks ahead and chooses other code words; both must sound like the source.
    let theirs = ffmpeg("-f s16le -ar 16000 -ac 1 -i - -f g722 -", steps);
    let mut ours = vec![0; sound.len() / 2];
    assert_eq!(G722Encoder::new().encode(&sound, &mut ours), Ok(sound.len() / 2));
    for (who, bytes) in [("theirs", theirs), ("ours", ours)] {
        let heard_by_ffmpeg = bytes_to_f32(&ffmpeg("-f g722 -i - -f f32le -", bytes.clone()));
        let payloads: Vec<Vec<u8>> = bytes.chunks(160).map(<[u8]>::to_vec).collect();
        let heard = heard(&mut G722Decoder::new(), &payloads);
        assert!(heard == heard_by_ffmpeg, "{who}: the decoders agree bit for bit");
        // Filters of 24 taps at both ends delay by 22 samples.
        let error = heard[22..].iter().zip(&sound).map(|(heard, sound)| f64::from(heard - sound).powi(2)).sum::<f64>();
        let signal = sound.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>();
        let ratio = 10.0 * f64::log10(signal / error);
        assert!(ratio > 18.0, "{who}: {ratio} dB");
    }
}

#[test]
fn g722_carries_tones_of_both_bands_and_refuses_what_does_not_fit() {
    for hz in [440.0, 5500.0] {
        let sound = tone(16_000, hz, 0.4, 16_000);
        let heard = through(&mut G722Encoder::new(), &mut G722Decoder::new(), &sound);
        let level = amplitude(&heard[1600..], 16_000, hz);
        assert!((0.37..0.43).contains(&level), "{hz} Hz: {level}");
        let others = loudest_other_db(&heard[1600..], 16_000, &[hz]);
        assert!(others < -40.0, "{hz} Hz: {others} dB");
    }
    assert_eq!(G722Encoder::new().encode(&[0.0; 3], &mut [0; 9]), Err(EncodeError::BadInput));
    assert_eq!(G722Encoder::new().encode(&[0.0; 4], &mut [0]), Err(EncodeError::OutputTooSmall));
    let mut decoder = G722Decoder::new();
    assert_eq!(decoder.decode(&[], &mut [0.0; 9]), Err(DecodeError::Malformed));
    assert_eq!(decoder.decode(&[0; 1601], &mut [0.0; 4000]), Err(DecodeError::Malformed));
    assert_eq!(decoder.decode(&[0; 10], &mut [0.0; 19]), Err(DecodeError::OutputTooSmall));
}

/// Something like a vowel: harmonics of a pitch that moves, in syllables.
fn voice(samples: usize) -> Vec<f32> {
    let sample = |at: usize| {
        let time = at as f32 / 48_000.0;
        let phase = std::f32::consts::TAU * (130.0 * time + 2.0 * f32::sin(3.0 * time));
        let harmonics = (1..12).map(|harmonic| f32::sin(phase * harmonic as f32) / harmonic as f32).sum::<f32>();
        0.2 * harmonics * (0.6 + 0.4 * f32::sin(std::f32::consts::TAU * 4.0 * time))
    };
    (0..samples).map(sample).collect()
}

/// The packets of `sound` in frames of 20 ms.
fn packets(encoder: &mut dyn AudioEncoder, sound: &[f32]) -> Vec<Vec<u8>> {
    let frame = (encoder.sample_rate() / 50) as usize * usize::from(encoder.channels());
    let mut out = [0; 4000];
    let packet = |pcm| encoder.encode(pcm, &mut out).map(|length| out[..length].to_vec()).unwrap();
    sound.chunks_exact(frame).map(packet).collect()
}

fn heard(decoder: &mut dyn AudioDecoder, packets: &[Vec<u8>]) -> Vec<f32> {
    let mut out = vec![0.0; 2 * 5760];
    let decode = |packet: &Vec<u8>| {
        let frames = decoder.decode(packet, &mut out).unwrap();
        out[..frames * usize::from(decoder.channels())].to_vec()
    };
    packets.iter().flat_map(decode).collect()
}

fn through(encoder: &mut dyn AudioEncoder, decoder: &mut dyn AudioDecoder, sound: &[f32]) -> Vec<f32> {
    let packets = packets(encoder, sound);
    heard(decoder, &packets)
}
