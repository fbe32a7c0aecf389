//! The audio codecs of this build, by the names of `frames`.

use millrace_frames::{
    AudioCodec, AudioCodecs, AudioDecoder, AudioEncoder, AudioEncoding, AudioFormat, CodecUnavailable,
};

use crate::{
    G722Decoder, G722Encoder, OpusDecoder, OpusEncoder, OpusSettings, OpusSignal, PcmaDecoder, PcmaEncoder,
    PcmuDecoder, PcmuEncoder,
};

/// Makes the codecs of this crate. Opus decodes to and encodes from 48 kHz, and its encoders are set for speech.
#[derive(Clone, Copy, Debug, Default)]
pub struct BuiltAudioCodecs;

impl AudioCodecs for BuiltAudioCodecs {
    fn decoder(&mut self, format: AudioFormat) -> Result<Box<dyn AudioDecoder>, CodecUnavailable> {
        let AudioFormat { codec, channels } = format;
        let unavailable = CodecUnavailable { codec, channels };
        match (codec, channels) {
            (AudioCodec::Opus, _) => {
                let decoder = OpusDecoder::new(OPUS_SAMPLE_RATE, channels).map_err(|_| unavailable)?;
                Ok(Box::new(decoder))
            }
            (AudioCodec::Pcmu, 1) => Ok(Box::new(PcmuDecoder::new())),
            (AudioCodec::Pcma, 1) => Ok(Box::new(PcmaDecoder::new())),
            (AudioCodec::G722, 1) => Ok(Box::new(G722Decoder::new())),
            _ => Err(unavailable),
        }
    }

    fn encoder(&mut self, encoding: &AudioEncoding) -> Result<Box<dyn AudioEncoder>, CodecUnavailable> {
        let AudioFormat { codec, channels } = encoding.format;
        let unavailable = CodecUnavailable { codec, channels };
        match (codec, channels) {
            (AudioCodec::Opus, _) => {
                let settings = OpusSettings {
                    sample_rate: OPUS_SAMPLE_RATE,
                    channels,
                    signal: OpusSignal::Voice,
                    bitrate: encoding.bitrate,
                    complexity: encoding.complexity,
                    fec: encoding.in_band_fec,
                    dtx: false,
                };
                Ok(Box::new(OpusEncoder::new(settings).map_err(|_| unavailable)?))
            }
            (AudioCodec::Pcmu, 1) => Ok(Box::new(PcmuEncoder)),
            (AudioCodec::Pcma, 1) => Ok(Box::new(PcmaEncoder)),
            (AudioCodec::G722, 1) => Ok(Box::new(G722Encoder::new())),
            _ => Err(unavailable),
        }
    }
}

/// Opus's own rate, of which its others are made.
const OPUS_SAMPLE_RATE: u32 = 48_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_codec_has_its_rate_and_channels_and_no_others() {
        let mut codecs = BuiltAudioCodecs;
        let known = [
            (AudioCodec::Opus, 1, 48_000),
            (AudioCodec::Opus, 2, 48_000),
            (AudioCodec::Pcmu, 1, 8000),
            (AudioCodec::Pcma, 1, 8000),
            (AudioCodec::G722, 1, 16_000),
        ];
        for (codec, channels, sample_rate) in known {
            let encoding = encoding(codec, channels);
            let (decoder, encoder) = (codecs.decoder(encoding.format).unwrap(), codecs.encoder(&encoding).unwrap());
            assert_eq!((decoder.sample_rate(), decoder.channels()), (sample_rate, channels));
            assert_eq!((encoder.sample_rate(), encoder.channels()), (sample_rate, channels));
        }
        for (codec, channels) in
            [(AudioCodec::Opus, 3), (AudioCodec::Pcmu, 2), (AudioCodec::Pcma, 0), (AudioCodec::G722, 2)]
        {
            let encoding = encoding(codec, channels);
            assert_eq!(codecs.decoder(encoding.format).err(), Some(CodecUnavailable { codec, channels }));
            assert_eq!(codecs.encoder(&encoding).err(), Some(CodecUnavailable { codec, channels }));
        }
    }

    fn encoding(codec: AudioCodec, channels: u8) -> AudioEncoding {
        let format = AudioFormat { codec, channels };
        AudioEncoding { format, frame_ms: 20, bitrate: 32_000, complexity: 5, in_band_fec: true }
    }
}
